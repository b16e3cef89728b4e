"""Sets of features that are to be compared."""

import numpy as np

from serkit.errors import InputError

_SIDE = 8


def coarse(spectrograms: np.ndarray) -> np.ndarray:
    """Means of 8 by 8 frames and bins, flat: sharp enough to know a clip again.

    Args:
        spectrograms: ``(n, frames, bins, 1)``; what is left over beside the last block is cut off.

    Returns:
        ``(n, frames // 8 * (bins // 8))``.
    """
    count, frames, bins, _ = spectrograms.shape
    rows, columns = frames // _SIDE, bins // _SIDE
    blocks = np.asarray(spectrograms)[:, : rows * _SIDE, : columns * _SIDE, 0]
    blocks = blocks.reshape(count, rows, _SIDE, columns, _SIDE)
    return blocks.mean(axis=(2, 4)).reshape(count, rows * columns)


def check_features(at_least: int, **sets: np.ndarray) -> list[np.ndarray]:
    """Features ``(n, d)`` of each of the named sets in float64, if they can be compared.

    Raises:
        InputError: unless each set has two dimensions, ``at_least`` samples, one or more features
            that are all finite, and as many of them as the other sets.
    """
    checked = {name: np.asarray(values, dtype=np.float64) for name, values in sets.items()}
    for name, values in checked.items():
        if values.ndim != 2 or len(values) < at_least or values.shape[1] == 0:
            raise InputError(
                f"{name} has shape {values.shape}; valid are features (n, d) "
                f"of {at_least} or more samples"
            )
        if not np.isfinite(values).all():
            bad = int((~np.isfinite(values)).any(axis=1).sum())
            raise InputError(f"{name} has {bad} samples with NaN or infinity; valid are finite")
    widths = {name: values.shape[1] for name, values in checked.items()}
    if len(set(widths.values())) > 1:
        came = ", ".join(f"{width} in {name}" for name, width in widths.items())
        raise InputError(f"features per sample differ: {came}; valid is one number for all")
    return list(checked.values())
