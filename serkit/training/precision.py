"""Which precision a network computes in."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras

PRECISIONS = ("float32", "mixed_bfloat16")
"""Computing in float32, or in bfloat16 with weights in float32."""


@contextmanager
def precision(policy: str) -> Iterator[None]:
    """Layers made inside have this Keras dtype policy; afterwards it is what it was before."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
