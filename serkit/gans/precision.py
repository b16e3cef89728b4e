"""Which precision a GAN's networks compute in."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras


@contextmanager
def precision(policy: str) -> Iterator[None]:
    """Layers made inside have this Keras dtype policy; afterwards it is what it was before."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
