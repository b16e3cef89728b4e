"""Searches for settings by KerasTuner, scored on speakers inside the training part."""
