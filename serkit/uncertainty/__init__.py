"""Uncertainty of a classifier, and abstention."""
