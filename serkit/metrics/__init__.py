"""Measures of classifiers and of generated samples. NumPy, SciPy and scikit-learn only."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
