"""serkit: speech emotion recognition when some classes are rare.

The public API is listed in ``__init__.pyi``. Importing this package is cheap: each name, and
TensorFlow with it, is imported at its first use.

Example:
    >>> import serkit
    >>> "compact" in dir(serkit)
    True
"""

import lazy_loader

__version__ = "0.2.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
