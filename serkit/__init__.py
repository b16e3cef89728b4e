"""serkit: speech emotion recognition when some classes are rare.

Importing this package is cheap: TensorFlow and the rest are imported by the modules that use them.
"""

__version__ = "0.1.0"
