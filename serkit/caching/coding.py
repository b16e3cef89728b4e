"""Values of spectrograms and features as the small numbers that the cache keeps."""

from collections.abc import Sequence

import numpy as np

from serkit.errors import InputError, check_choice

DTYPES = {
    **{"float16": np.dtype("<u2"), "uint8": np.dtype("u1")},
    **{"wide-float16": np.dtype("<u2"), "bfloat16": np.dtype("<u2")},
}
"""How values can be stored, and the unsigned type that their codes are read as.

``float16`` and ``uint8`` are for spectrograms, within [-1, 1]. ``wide-float16`` and ``bfloat16``
are for anything finite, such as a network's features.
"""

# The largest number of each type that is for anything finite; both are exact in float32.
_LARGEST = {"wide-float16": 65504, "bfloat16": (2 - 2.0**-7) * 2.0**127}

# A device's last digit may lie beyond 1; that is rounded to 1 by both types.
_FURTHEST = 1 + 1e-5


def encode(values: np.ndarray, shape: Sequence[int], dtype: str) -> np.ndarray:
    """Values as they are stored.

    Largest rounding error: ``float16`` 2 ** -12 = 0.000244, ``uint8`` (linear, 0 is -1 and 255
    is 1) 1 / 255 = 0.00392. Where -1 to 1 stands for 80 dB these are 0.0098 dB and 0.157 dB. Both
    keep -1 and 1 exactly, so silence stays silence. ``wide-float16`` rounds by a share of
    2 ** -11 of a value, or by 2 ** -25 below 2 ** -14; ``bfloat16`` by a share of 2 ** -8, or by
    2 ** -134 below 2 ** -126.

    Args:
        values: float32 ``(n, *shape)``; for ``float16`` and ``uint8`` in [-1, 1], give or take
            1e-5, for ``wide-float16`` within 65,504 of 0, for ``bfloat16`` within 3.389e38.
        shape: of one of them.
        dtype: one of :data:`DTYPES`.

    Returns:
        ``(n, *shape)`` of that type (``bfloat16``: of its bits), little-endian, contiguous.

    Raises:
        InputError: for another shape, or a value that is out of range or not a number.
    """
    check_choice("dtype", dtype, DTYPES)
    values = np.asarray(values)
    if values.shape[1:] != tuple(shape) or values.ndim != len(shape) + 1:
        raise InputError(f"values of shape {values.shape}; valid is {('n', *shape)}")
    _check_range(values, dtype)
    if dtype in ("float16", "wide-float16"):
        return np.ascontiguousarray(values, "<f2")
    if dtype == "bfloat16":
        bits = np.ascontiguousarray(values, "<f4").view("<u4")
        # To the nearest, to the even one of two that are as near.
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")
    return np.rint((values + np.float32(1)) * np.float32(127.5)).astype(np.uint8, order="C")


def _check_range(values: np.ndarray, dtype: str) -> None:
    if not values.size:
        return
    low, high = values.min(), values.max()
    largest = _LARGEST.get(dtype, _FURTHEST)
    # Not (low < -largest or high > largest), which would let NaN pass.
    if not (low >= -largest and high <= largest):
        valid = f"-{largest} to {largest}" if dtype in _LARGEST else "-1 to 1"
        raise InputError(f"values from {low} to {high}; valid for {dtype} is from {valid}")


def decoding_table(dtype: str) -> np.ndarray:
    """What each code means: float32 ``(256,)`` for ``uint8``, ``(65536,)`` for the others.

    A table's entry for a float16 is that of its two bytes read as an unsigned number. NumPy looks
    values up in it faster than it converts them.
    """
    check_choice("dtype", dtype, DTYPES)
    if dtype == "uint8":
        return (np.arange(256) / 127.5 - 1).astype(np.float32)
    if dtype == "bfloat16":
        return (np.arange(2**16, dtype="<u4") << 16).view("<f4").astype(np.float32)
    return np.arange(2**16, dtype="<u2").view("<f2").astype(np.float32)
