"""Measures of classifiers and of generated samples. NumPy, SciPy and scikit-learn only."""
