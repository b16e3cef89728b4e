"""Choose and set the numeric precision in which a network computes."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import keras
import tensorflow as tf

FLOAT32 = "float32"
MIXED_BFLOAT16 = "mixed_bfloat16"
PRECISIONS = (FLOAT32, MIXED_BFLOAT16)
"""Dtype policies: float32, or bfloat16 computation with weights in float32."""

# Linux' flags of processors that multiply in bfloat16: AMD's and Intel's AVX-512 units, Intel's
# tiles, Arm's units.
_BFLOAT16_CPU_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}
_CPUINFO_PATH = Path("/proc/cpuinfo")
# NVIDIA's compute capability of Ampere, the first architecture with bfloat16 units.
_MIN_COMPUTE_CAPABILITY = (8, 0)


@cache
def fastest_precision() -> str:
    """Return the faster dtype policy on this machine.

    It is ``mixed_bfloat16`` if the first GPU is an NVIDIA Ampere or later, or if there is no GPU
    and the processor has bfloat16 units according to Linux. Otherwise it is ``float32``, because
    TensorFlow would emulate bfloat16, which is several times slower.

    Example:
        >>> fastest_precision() in PRECISIONS
        True
    """
    if gpus := tf.config.list_physical_devices("GPU"):
        details = tf.config.experimental.get_device_details(gpus[0])
        compute_capability = details.get("compute_capability")
        is_fast = compute_capability and compute_capability >= _MIN_COMPUTE_CAPABILITY
    else:
        is_fast = _BFLOAT16_CPU_FLAGS & _cpu_flags(_CPUINFO_PATH)
    return MIXED_BFLOAT16 if is_fast else FLOAT32


def _cpu_flags(cpuinfo: Path) -> set[str]:
    """Return a processor's flags from a file like ``/proc/cpuinfo``; none without the file."""
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    for line in lines:
        # x86 processors have flags, Arm processors have Features. All cores have the same.
        if line.startswith(("flags", "Features")):
            return set(line.split(":", 1)[1].split())
    return set()


@contextmanager
def dtype_policy_scope(policy: str) -> Iterator[None]:
    """Set Keras' dtype policy for layers created inside the block; restore the previous policy."""
    previous_policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(previous_policy)
