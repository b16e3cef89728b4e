"""serkit: speech emotion recognition when some classes are rare.

The public API is listed in ``__init__.pyi``. Importing this package is cheap: each name, and
TensorFlow with it, is imported at its first use. Import it before TensorFlow: it turns on oneDNN,
which TensorFlow by default uses only on processors with AVX-512.

Example:
    >>> import serkit
    >>> "compact" in dir(serkit)
    True
"""

import os

import lazy_loader

# TensorFlow reads this variable once, when it is imported. With AVX2 alone, too, oneDNN is faster:
# a step of the 2021 report's GAN takes 2.1 s in place of 3.7 s.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
