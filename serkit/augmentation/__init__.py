"""Augmentation methods for rare classes, and the filter for generated samples."""
