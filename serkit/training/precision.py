"""The numeric precision that a network computes in."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import keras
import tensorflow as tf

FLOAT32, BFLOAT16 = "float32", "mixed_bfloat16"
PRECISIONS = (FLOAT32, BFLOAT16)
"""Computing in float32, or in bfloat16 with weights in float32."""

# As Linux names the units that multiply in bfloat16: AMD's and Intel's, Intel's tiles, Arm's.
_UNITS = {"avx512_bf16", "amx_bf16", "bf16"}
_AMPERE = (8, 0)
_PROCESSOR = Path("/proc/cpuinfo")


@cache
def fastest_precision() -> str:
    """``mixed_bfloat16`` where this machine multiplies in it faster than in float32.

    That is on a first GPU of NVIDIA's Ampere or later, or without a GPU on a processor that has
    units for it, as far as Linux tells. Elsewhere bfloat16 is emulated, which is several times
    slower than ``float32``.

    Example:
        >>> fastest_precision() in PRECISIONS
        True
    """
    if gpus := tf.config.list_physical_devices("GPU"):
        found = tf.config.experimental.get_device_details(gpus[0]).get("compute_capability")
        return BFLOAT16 if found and found >= _AMPERE else FLOAT32
    return BFLOAT16 if _UNITS & set(_features(_PROCESSOR)) else FLOAT32


def _features(file: Path) -> list[str]:
    """The processor's, from a file like Linux' ``/proc/cpuinfo``; none if it is not there."""
    lines = file.read_text().splitlines() if file.exists() else []
    named = [line.split(":", 1)[1] for line in lines if line.startswith(("flags", "Features"))]
    return named[0].split() if named else []


@contextmanager
def precision(policy: str) -> Iterator[None]:
    """Layers made inside have this Keras dtype policy; afterwards it is what it was before."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
