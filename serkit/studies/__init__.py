"""Training on folds and comparing what comes of it: comparison, demo, searches."""
