"""Recordings and their labels. Nothing in this package imports TensorFlow."""
