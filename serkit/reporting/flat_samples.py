"""Whether generated spectrograms hold anything: their contrast beside that of real ones."""

from collections.abc import Mapping

import numpy as np

FLAT, ALIKE = 0.5, 0.25
"""Below these fractions of what clips have, samples are called flat, and all alike."""


def contrast(spectrograms: np.ndarray) -> float:
    """Standard deviation of the values within a spectrogram, the mean of all.

    Args:
        spectrograms: ``(n, frames, bins)`` in [-1, 1], ``n`` at least 1.

    Returns:
        0 where each is of one value, up to 1.
    """
    return float(np.asarray(spectrograms, np.float64).std(axis=(1, 2)).mean())


def variety(spectrograms: np.ndarray) -> float:
    """Standard deviation over spectrograms, the mean of all frames and bins; as :func:`contrast`.

    Returns:
        0 where all are the same, up to 1.
    """
    return float(np.asarray(spectrograms, np.float64).std(axis=0).mean())


def what_is_flat(pairs: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> list[str]:
    """A sentence on the contrast of each class, which says so where there is next to none.

    Args:
        pairs: by class, real and generated spectrograms, ``(n, frames, bins)`` in [-1, 1] each.
    """
    return [_sentence(label, *pair) for label, pair in pairs.items()]


def _sentence(label: str, real: np.ndarray, made: np.ndarray) -> str:
    of_real, of_made = contrast(real), contrast(made)
    text = f"{label}: contrast {of_made:.2f}, that of clips {of_real:.2f}"
    if of_made < FLAT * of_real:
        return f"{text}. These samples are nearly flat: the generator has learned little."
    if min(len(real), len(made)) > 1 and variety(made) < ALIKE * variety(real):
        return f"{text}. These samples are nearly all alike."
    return f"{text}."
