"""Spectrogram values as the small numbers that the cache keeps."""

from collections.abc import Sequence

import numpy as np

from serkit.errors import InputError, check_choice

DTYPES = {"float16": np.dtype("<u2"), "uint8": np.dtype("u1")}
"""How values can be stored, and the unsigned type that their codes are read as."""

# A device's last digit may lie beyond 1; that is rounded to 1 by both types.
_FURTHEST = 1 + 1e-5


def encode(spectrograms: np.ndarray, shape: Sequence[int], dtype: str) -> np.ndarray:
    """Spectrograms as they are stored.

    Largest rounding error: ``float16`` 2 ** -12 = 0.000244, ``uint8`` (linear, 0 is -1 and 255
    is 1) 1 / 255 = 0.00392. Where -1 to 1 stands for 80 dB these are 0.0098 dB and 0.157 dB. Both
    keep -1 and 1 exactly, so silence stays silence.

    Args:
        spectrograms: float32 ``(n, *shape)`` in [-1, 1], give or take 1e-5.
        shape: of one spectrogram.
        dtype: ``float16`` or ``uint8``.

    Returns:
        ``(n, *shape)`` of that type, little-endian, contiguous.

    Raises:
        InputError: for another shape, or a value that is out of range or not a number.
    """
    check_choice("dtype", dtype, DTYPES)
    values = np.asarray(spectrograms)
    if values.shape[1:] != tuple(shape) or values.ndim != len(shape) + 1:
        raise InputError(f"spectrograms of shape {values.shape}; valid is {('n', *shape)}")
    # Not (min < -1 or max > 1), which would let NaN pass.
    if values.size and not (values.min() >= -_FURTHEST and values.max() <= _FURTHEST):
        raise InputError(
            f"spectrograms from {values.min()} to {values.max()}; valid is from -1 to 1"
        )
    if dtype == "float16":
        return np.ascontiguousarray(values, "<f2")
    return np.rint((values + np.float32(1)) * np.float32(127.5)).astype(np.uint8, order="C")


def decoding_table(dtype: str) -> np.ndarray:
    """What each code means: float32 ``(65536,)`` for ``float16``, ``(256,)`` for ``uint8``.

    A table's entry for a float16 is that of its two bytes read as an unsigned number. NumPy looks
    values up in it faster than it converts them.
    """
    check_choice("dtype", dtype, DTYPES)
    if dtype == "float16":
        return np.arange(2**16, dtype="<u2").view("<f2").astype(np.float32)
    return (np.arange(256) / 127.5 - 1).astype(np.float32)
