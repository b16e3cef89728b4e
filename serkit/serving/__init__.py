"""The model that leaves the house: export as a SavedModel, and prediction with one."""
