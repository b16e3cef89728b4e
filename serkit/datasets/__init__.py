"""Recordings and their labels: readers, audit, splits, download. Imports no TensorFlow."""
