"""Searches for settings by KerasTuner, scored on held-out training speakers."""
