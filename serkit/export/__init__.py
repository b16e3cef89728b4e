"""Classifiers as SavedModels, with model card and versions."""
