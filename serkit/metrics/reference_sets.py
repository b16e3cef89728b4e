"""Reference sets with known defects, to compare generated samples with."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from serkit.errors import InputError, check_range
from serkit.seeds import derive_seed

NOISE, BLURRED, OVERSAMPLED = "noise", "blurred real", "oversampled real"


def reference_sets(
    training_spectrograms: npt.NDArray[Any], count: int, seed: int, *, sigma: float = 8.0
) -> dict[str, npt.NDArray[Any]]:
    """Make three reference sets with known defects from the training spectrograms of a GAN.

    - ``"noise"``: each pixel is drawn independently from a Gaussian with the mean and the standard
      deviation of its bin over all clips and frames, clipped to [-1, 1]. Any generator must be
      better than this set.
    - ``"blurred real"``: blurred training clips; each training clip is used the same number of
      times, give or take one. The blur removes formants and harmonics; only the coarse energy
      distribution remains.
    - ``"oversampled real"``: training clips drawn with replacement. All samples are copies of
      training clips; some clips occur several times. This is oversampling, which balances classes
      without a GAN.

    All sets hold data of the training speakers and must stay in the training partition.

    Args:
        training_spectrograms: floats ``(n, frames, bins, 1)`` in [-1, 1], at least one.
        count: number of spectrograms in each set, at least 1.
        seed: seed of the random numbers. Sets with a larger ``count`` start with the same samples.
        sigma: standard deviation of the Gaussian blur along frames and bins in pixels, at least 1.

    Returns:
        The sets by name in the order above, float32 ``(count, frames, bins, 1)`` in [-1, 1].

    Raises:
        InputError: if the spectrograms have another shape or range, or an argument is out of range.
    """
    check_range("count", count, 1)
    check_range("sigma", sigma, 1)
    spectrograms = _validated_spectrograms(training_spectrograms)
    rngs = {
        name: np.random.default_rng(derive_seed(seed, "reference", name))
        for name in (NOISE, BLURRED, OVERSAMPLED)
    }
    blur_indices = np.resize(rngs[BLURRED].permutation(len(spectrograms)), count)
    oversample_indices = rngs[OVERSAMPLED].integers(len(spectrograms), size=count)
    return {
        NOISE: _noise(spectrograms, count, rngs[NOISE]),
        BLURRED: _blur(spectrograms[blur_indices], sigma),
        OVERSAMPLED: spectrograms[oversample_indices],
    }


def _validated_spectrograms(spectrograms: npt.NDArray[Any]) -> npt.NDArray[Any]:
    spectrograms = np.asarray(spectrograms, dtype=np.float32)
    if spectrograms.ndim != 4 or spectrograms.shape[-1] != 1 or spectrograms.size == 0:
        raise InputError(
            "`training_spectrograms` must have the shape (n, frames, bins, 1), one or more. "
            f"Received: shape {spectrograms.shape}."
        )
    # `not all(<= 1)` instead of `any(> 1)`, because it also rejects NaN.
    if not np.all(np.abs(spectrograms) <= 1):
        low, high = spectrograms.min(), spectrograms.max()
        raise InputError(
            f"`training_spectrograms` must be between -1 and 1. Received: {low} to {high}."
        )
    return spectrograms


def _noise(
    spectrograms: npt.NDArray[Any], count: int, rng: np.random.Generator
) -> npt.NDArray[Any]:
    mean = spectrograms.mean(axis=(0, 1), dtype=np.float64).astype(np.float32)
    deviation = spectrograms.std(axis=(0, 1), dtype=np.float64).astype(np.float32)
    noise = rng.standard_normal((count, *spectrograms.shape[1:]), dtype=np.float32)
    return np.clip(mean + deviation * noise, -1, 1)


def _blur(spectrograms: npt.NDArray[Any], sigma: float) -> npt.NDArray[Any]:
    # Mirroring at the edges keeps the mean of a clip.
    return gaussian_filter(spectrograms, (0, sigma, sigma, 0), mode="reflect")
