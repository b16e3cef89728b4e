"""Frechet distance between two sets (FID where the features are Inception's)."""

import numpy as np

from serkit.evaluation.features import check_features

# Samples in each set from which on the distance is usually trusted.
RELIABLE_FROM = 10_000


def frechet_distance(real: np.ndarray, generated: np.ndarray) -> float:
    """Squared Frechet distance between the Gaussians with the sets' means and covariances.

    |m1 - m2|^2 + trace(S1 + S2 - 2 (S1 S2)^(1/2)), with covariances over n - 1. It is too large
    by an amount that falls with the numbers of samples and differs between generators: below
    :data:`RELIABLE_FROM` samples compare sets of equal numbers only, and rather use
    :func:`~serkit.evaluation.kid.kid`.

    Args:
        real: features, floats ``(real, d)``, at least 2 samples.
        generated: features, floats ``(generated, d)``, at least 2 samples.

    Returns:
        0 or more, in squared units of the features; 0 for equal means and covariances.

    Raises:
        InputError: if the features are not fit to be compared (see
            :func:`~serkit.evaluation.features.check_features`).

    Source: Heusel et al. (2017), arXiv:1706.08500; Binkowski et al. (2018), arXiv:1801.01401, for
    the bias.
    """
    real, generated = check_features(2, real=real, generated=generated)
    shift = real.mean(axis=0) - generated.mean(axis=0)
    first, second = _factor(real), _factor(generated)
    # With S = F'F, the eigenvalues of S1 S2 are the squared singular values of F1 F2'. So no root
    # of a matrix is taken: it turns complex by rounding where there are fewer samples than
    # features, and a rounding error of 1e-16 becomes one of 1e-8.
    common = np.linalg.svd(first @ second.T, compute_uv=False).sum()
    distance = shift @ shift + np.sum(first**2) + np.sum(second**2) - 2 * common
    return max(float(distance), 0.0)


def fid_is_reliable(real: int, generated: int) -> bool:
    """Whether both numbers of samples are :data:`RELIABLE_FROM` or more.

    Source: the notes to Heusel et al.'s code; Binkowski et al. (2018) show why.
    """
    return min(real, generated) >= RELIABLE_FROM


def _factor(samples: np.ndarray) -> np.ndarray:
    """F ``(min(n, d), d)`` with F'F the covariance of samples ``(n, d)``."""
    centred = samples - samples.mean(axis=0)
    return np.linalg.qr(centred, mode="r") / np.sqrt(len(samples) - 1)
