"""The numeric precision that a network computes in."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import keras
import tensorflow as tf

FLOAT32, BFLOAT16 = "float32", "mixed_bfloat16"
PRECISIONS = (FLOAT32, BFLOAT16)
"""Dtype policies: float32, or bfloat16 computation with weights in float32."""

# Linux' names for processor units that multiply in bfloat16: AMD's and Intel's AVX-512 units,
# Intel's tiles, Arm's units.
_UNITS = {"avx512_bf16", "amx_bf16", "bf16"}
_AMPERE = (8, 0)
_PROCESSOR = Path("/proc/cpuinfo")


@cache
def fastest_precision() -> str:
    """Return ``mixed_bfloat16`` if this machine multiplies faster in it than in float32.

    This is so if the first GPU is an NVIDIA Ampere or later, or if there is no GPU and the
    processor has bfloat16 units according to Linux. Otherwise ``float32`` is returned: bfloat16
    would be emulated, which is several times slower.

    Example:
        >>> fastest_precision() in PRECISIONS
        True
    """
    if gpus := tf.config.list_physical_devices("GPU"):
        found = tf.config.experimental.get_device_details(gpus[0]).get("compute_capability")
        return BFLOAT16 if found and found >= _AMPERE else FLOAT32
    return BFLOAT16 if _UNITS & set(_features(_PROCESSOR)) else FLOAT32


def _features(file: Path) -> list[str]:
    """Processor flags from a file like Linux' ``/proc/cpuinfo``; empty if there is no file."""
    lines = file.read_text().splitlines() if file.exists() else []
    named = [line.split(":", 1)[1] for line in lines if line.startswith(("flags", "Features"))]
    return named[0].split() if named else []


@contextmanager
def precision(policy: str) -> Iterator[None]:
    """Set the Keras dtype policy for layers created inside; restore the earlier one afterwards."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
