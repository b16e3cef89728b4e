"""Kernel Inception Distance: an unbiased distance between two sets, with its error."""

import numpy as np

from serkit.evaluation.features import check_features

# Rows of a kernel matrix at a time, so that many generated samples do not fill the memory.
_BLOCK = 1024


def kid(real: np.ndarray, generated: np.ndarray) -> tuple[float, float]:
    """Squared maximum mean discrepancy under the kernel (x.y / d + 1) ** 3, without bias.

    Its expectation does not depend on the numbers of samples and is 0 for two sets from the same
    distribution, so single values fall below 0. All samples are used, not the paper's subsets.

    The error is the jackknife's over both sets: one sample is left out at a time, in turn of each
    set, and the variances are added. It takes samples as independent and is too small where they
    are not, as clips of one speaker are. Where both distributions are the same it is too large, by
    a factor of about sqrt(2), since the jackknife counts the joint effect of two samples twice.

    Args:
        real: features, floats ``(real, d)``, at least 3 samples: 2 are left without one of them.
        generated: features, floats ``(generated, d)``, at least 3 samples.

    Returns:
        ``(kid, error)``: the distance, in the unit of the kernel, and its standard error.

    Raises:
        InputError: if the features are not fit to be compared (see
            :func:`~serkit.evaluation.features.check_features`).

    Source: Binkowski et al. (2018), arXiv:1801.01401; Efron & Stein (1981) for the jackknife.
    """
    real, generated = check_features(3, real=real, generated=generated)
    m, n = len(real), len(generated)
    in_real = _sums(real, real)[0] - _diagonal(real)
    in_generated = _sums(generated, generated)[0] - _diagonal(generated)
    of_real, of_generated = _sums(real, generated)
    a, b, c = in_real.sum(), in_generated.sum(), of_real.sum()
    # What is left of the sums without one sample: its row and its column go.
    without_real = _discrepancy(a - 2 * in_real, b, c - of_real, m - 1, n)
    without_generated = _discrepancy(a, b - 2 * in_generated, c - of_generated, m, n - 1)
    variance = _jackknife(without_real) + _jackknife(without_generated)
    return float(_discrepancy(a, b, c, m, n)), float(np.sqrt(variance))


def _sums(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums of the rows and of the columns of the kernel matrix ``(len(x), len(y))``."""
    rows, columns = [], np.zeros(len(y))
    for block in np.array_split(x, -(-len(x) // _BLOCK)):
        kernel = _cube(block @ y.T, x.shape[1])
        rows.append(kernel.sum(axis=1))
        columns += kernel.sum(axis=0)
    return np.concatenate(rows), columns


def _diagonal(x: np.ndarray) -> np.ndarray:
    return _cube(np.einsum("ij,ij->i", x, x), x.shape[1])


def _cube(products: np.ndarray, width: int) -> np.ndarray:
    base = products / width + 1
    return base * base * base


def _discrepancy(a, b, c, m: int, n: int):
    """Of sums over pairs in one set of ``m``, in the other of ``n``, and across."""
    return a / (m * (m - 1)) + b / (n * (n - 1)) - 2 * c / (m * n)


def _jackknife(values: np.ndarray) -> float:
    """Variance of a statistic from its values without one sample each."""
    return (len(values) - 1) * values.var()
