"""Tasks that need other tasks, run here or on a Ray cluster."""
