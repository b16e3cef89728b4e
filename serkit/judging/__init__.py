"""What generated spectrograms are worth: in an embedding, to a classifier, as training data."""
