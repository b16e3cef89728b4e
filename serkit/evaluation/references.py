"""Sets that stand beside every generated one, so that its numbers have something to be read by."""

import numpy as np
from scipy.ndimage import gaussian_filter

from serkit.errors import InputError, check_range
from serkit.seeds import derive_seed

NOISE, BLURRED, OVERSAMPLED = "noise", "blurred real", "oversampled real"


def reference_sets(
    training: np.ndarray, count: int, seed: int, *, sigma: float = 8.0
) -> dict[str, np.ndarray]:
    """Make three sets whose faults are known, from the spectrograms a GAN was trained on.

    - ``"noise"``: each pixel is drawn by itself from a Gaussian with the mean and the standard
      deviation of its bin over all clips and frames, cut to [-1, 1]. What any generator must beat.
    - ``"blurred real"``: training clips, each as often as any other give or take one, so blurred
      that formants and lines of pitch are gone and only where the energy lies is left.
    - ``"oversampled real"``: training clips drawn with replacement, so copies, of some
      clips several. What balances classes without a GAN.

    All hold the voices of the training clips and belong where those belong, in no other part.

    Args:
        training: spectrograms, floats ``(n, frames, bins, 1)`` in [-1, 1], at least one.
        count: spectrograms in each set, at least 1.
        seed: of the draws; the first ones are the same whatever the count.
        sigma: of the Gaussian blur along frames and bins, in pixels, at least 1.

    Returns:
        By name in the order above, float32 ``(count, frames, bins, 1)`` in [-1, 1].

    Raises:
        InputError: if the spectrograms have another shape or range, or an argument is out of range.
    """
    check_range("count", count, 1)
    check_range("sigma", sigma, 1)
    training = _checked(training)
    rngs = {
        name: np.random.default_rng(derive_seed(seed, "reference", name))
        for name in (NOISE, BLURRED, OVERSAMPLED)
    }
    order = np.resize(rngs[BLURRED].permutation(len(training)), count)
    drawn = rngs[OVERSAMPLED].integers(len(training), size=count)
    return {
        NOISE: _noise(training, count, rngs[NOISE]),
        BLURRED: _blur(training[order], sigma),
        OVERSAMPLED: training[drawn],
    }


def _checked(training: np.ndarray) -> np.ndarray:
    training = np.asarray(training, dtype=np.float32)
    if training.ndim != 4 or training.shape[-1] != 1 or training.size == 0:
        raise InputError(
            f"training has shape {training.shape}; valid are spectrograms (n, frames, bins, 1)"
        )
    # Not the other way round: NaN is not within the range, either.
    if not np.all(np.abs(training) <= 1):
        low, high = training.min(), training.max()
        raise InputError(f"training has values from {low} to {high}; valid is from -1 to 1")
    return training


def _noise(training: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    mean = training.mean(axis=(0, 1), dtype=np.float64).astype(np.float32)
    deviation = training.std(axis=(0, 1), dtype=np.float64).astype(np.float32)
    noise = rng.standard_normal((count, *training.shape[1:]), dtype=np.float32)
    return np.clip(mean + deviation * noise, -1, 1)


def _blur(spectrograms: np.ndarray, sigma: float) -> np.ndarray:
    # Mirrored at the edges, which keeps the mean of a clip.
    return gaussian_filter(spectrograms, (0, sigma, sigma, 0), mode="reflect")
