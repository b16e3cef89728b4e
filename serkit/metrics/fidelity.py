"""Fidelity of generated samples: KID, Fréchet distance, and reference sets."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from serkit.errors import InputError, check_range
from serkit.metrics.neighbours import check_features, copying_score, overlap
from serkit.seeds import derive_seed

# Rows of a kernel matrix that are computed at a time, which bounds the memory.
_BLOCK = 1024


def kid(real: npt.NDArray[Any], generated: npt.NDArray[Any]) -> tuple[float, float]:
    """Compute the Kernel Inception Distance of two sets of features.

    KID is the unbiased estimate of the squared maximum mean discrepancy under the kernel
    (x.y / d + 1) ** 3. Its expectation does not depend on the numbers of samples. For two sets from
    the same distribution the expectation is 0, so that single values can be negative. All samples
    are used, not subsets as in the paper.

    The standard error is a jackknife estimate: one sample of each set is left out at a time, and
    the variances of both sets are added. The jackknife assumes independent samples. The error is
    too small where samples are dependent, as clips of one speaker are. Where both distributions are
    the same, the error is too large by a factor of about sqrt(2), because the jackknife counts the
    joint effect of two samples twice.

    Args:
        real: features, floats ``(real, d)``, at least 3 samples: the jackknife needs 2 after
            leaving one out.
        generated: features, floats ``(generated, d)``, at least 3 samples.

    Returns:
        ``(kid, error)``: the distance, in the unit of the kernel, and its standard error.

    Raises:
        InputError: if the features cannot be compared (see
            :func:`~serkit.metrics.neighbours.check_features`).

    Source: Binkowski et al. (2018), arXiv:1801.01401; Efron & Stein (1981) for the jackknife.

    Example:
        >>> import numpy as np
        >>> from serkit import metrics
        >>> real, generated = np.random.default_rng(0).normal(size=(2, 50, 4))
        >>> distance, error = metrics.kid(real, generated + 1)
        >>> distance > 3 * error
        True
    """
    real, generated = check_features(3, real=real, generated=generated)
    m, n = len(real), len(generated)
    in_real = _sums(real, real)[0] - _diagonal(real)
    in_generated = _sums(generated, generated)[0] - _diagonal(generated)
    of_real, of_generated = _sums(real, generated)
    a, b, c = in_real.sum(), in_generated.sum(), of_real.sum()
    # Leaving out one sample removes its row and its column from the sums.
    without_real = _discrepancy(a - 2 * in_real, b, c - of_real, m - 1, n)
    without_generated = _discrepancy(a, b - 2 * in_generated, c - of_generated, m, n - 1)
    variance = _jackknife(without_real) + _jackknife(without_generated)
    return float(_discrepancy(a, b, c, m, n)), float(np.sqrt(variance))


def _sums(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return the row sums and the column sums of the kernel matrix ``(len(x), len(y))``."""
    rows, columns = [], np.zeros(len(y))
    for block in np.array_split(x, -(-len(x) // _BLOCK)):
        kernel = _cube(block @ y.T, x.shape[1])
        rows.append(kernel.sum(axis=1))
        columns += kernel.sum(axis=0)
    return np.concatenate(rows), columns


def _diagonal(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return _cube(np.einsum("ij,ij->i", x, x), x.shape[1])


def _cube(products: npt.NDArray[Any], width: int) -> npt.NDArray[Any]:
    base = products / width + 1
    return base * base * base


def _discrepancy(a, b, c, m: int, n: int):
    """Compute the squared discrepancy from sums of the kernel over pairs of samples.

    ``a`` is the sum within a set of ``m`` samples, ``b`` the sum within a set of ``n`` samples, and
    ``c`` the sum across both sets.
    """
    return a / (m * (m - 1)) + b / (n * (n - 1)) - 2 * c / (m * n)


def _jackknife(values: npt.NDArray[Any]) -> float:
    """Jackknife variance of a statistic from its leave-one-out values."""
    return (len(values) - 1) * values.var()


# Number of samples per set from which on the Fréchet distance is usually trusted.
RELIABLE_FROM = 10_000


def frechet_distance(real: npt.NDArray[Any], generated: npt.NDArray[Any]) -> float:
    """Squared Frechet distance between the Gaussians with the sets' means and covariances.

    |m1 - m2|^2 + trace(S1 + S2 - 2 (S1 S2)^(1/2)), with covariances over n - 1. The estimate is
    biased upwards. The bias decreases with the numbers of samples and differs between generators.
    So below :data:`RELIABLE_FROM` samples compare only sets of equal size, and prefer :func:`kid`.

    Args:
        real: features, floats ``(real, d)``, at least 2 samples.
        generated: features, floats ``(generated, d)``, at least 2 samples.

    Returns:
        0 or more, in squared units of the features; 0 for equal means and covariances.

    Raises:
        InputError: if the features cannot be compared (see
            :func:`~serkit.metrics.neighbours.check_features`).

    Source: Heusel et al. (2017), arXiv:1706.08500; Binkowski et al. (2018), arXiv:1801.01401, for
    the bias.

    Example:
        >>> import numpy as np
        >>> from serkit import metrics
        >>> real, generated = np.random.default_rng(0).normal(size=(2, 50, 4))
        >>> metrics.frechet_distance(real, real) < 1e-9 < metrics.frechet_distance(real, generated)
        True
    """
    real, generated = check_features(2, real=real, generated=generated)
    shift = real.mean(axis=0) - generated.mean(axis=0)
    first, second = _factor(real), _factor(generated)
    # With S = F'F, the eigenvalues of S1 S2 are the squared singular values of F1 F2'. So no matrix
    # square root is needed. With fewer samples than features, rounding makes a matrix square root
    # complex, and a rounding error of 1e-16 becomes one of 1e-8.
    common = np.linalg.svd(first @ second.T, compute_uv=False).sum()
    distance = shift @ shift + np.sum(first**2) + np.sum(second**2) - 2 * common
    return max(float(distance), 0.0)


def fid_is_reliable(real: int, generated: int) -> bool:
    """Return whether both numbers of samples are :data:`RELIABLE_FROM` or more.

    Source: the notes to the code of Heusel et al.; Binkowski et al. (2018) show the reason.
    """
    return min(real, generated) >= RELIABLE_FROM


def _factor(samples: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return F ``(min(n, d), d)``, where F'F is the covariance of samples ``(n, d)``."""
    centred = samples - samples.mean(axis=0)
    return np.linalg.qr(centred, mode="r") / np.sqrt(len(samples) - 1)


NOISE, BLURRED, OVERSAMPLED = "noise", "blurred real", "oversampled real"


def reference_sets(
    training: npt.NDArray[Any], count: int, seed: int, *, sigma: float = 8.0
) -> dict[str, npt.NDArray[Any]]:
    """Make three reference sets with known defects from the training spectrograms of a GAN.

    - ``"noise"``: each pixel is drawn independently from a Gaussian with the mean and the standard
      deviation of its bin over all clips and frames, clipped to [-1, 1]. Any generator must be
      better than this set.
    - ``"blurred real"``: blurred training clips. Each clip occurs equally often, or once more. The
      blur removes formants and harmonics; only the coarse energy distribution remains.
    - ``"oversampled real"``: training clips drawn with replacement, so that the set holds copies,
      of some clips several. This is oversampling, which balances classes without a GAN.

    All sets hold data of the training speakers and must stay in the training partition.

    Args:
        training: spectrograms, floats ``(n, frames, bins, 1)`` in [-1, 1], at least one.
        count: number of spectrograms in each set, at least 1.
        seed: seed of the draws. A larger ``count`` starts with the same draws.
        sigma: standard deviation of the Gaussian blur along frames and bins in pixels, at least 1.

    Returns:
        The sets by name in the order above, float32 ``(count, frames, bins, 1)`` in [-1, 1].

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


def _checked(training: npt.NDArray[Any]) -> npt.NDArray[Any]:
    training = np.asarray(training, dtype=np.float32)
    if training.ndim != 4 or training.shape[-1] != 1 or training.size == 0:
        raise InputError(
            "`training` must be spectrograms (n, frames, bins, 1), one or more. "
            f"Received: shape {training.shape}."
        )
    # `not all(<= 1)` instead of `any(> 1)`, because it also rejects NaN.
    if not np.all(np.abs(training) <= 1):
        low, high = training.min(), training.max()
        raise InputError(f"`training` must be between -1 and 1. Received: {low} to {high}.")
    return training


def _noise(training: npt.NDArray[Any], count: int, rng: np.random.Generator) -> npt.NDArray[Any]:
    mean = training.mean(axis=(0, 1), dtype=np.float64).astype(np.float32)
    deviation = training.std(axis=(0, 1), dtype=np.float64).astype(np.float32)
    noise = rng.standard_normal((count, *training.shape[1:]), dtype=np.float32)
    return np.clip(mean + deviation * noise, -1, 1)


def _blur(spectrograms: npt.NDArray[Any], sigma: float) -> npt.NDArray[Any]:
    # Mirroring at the edges keeps the mean of a clip.
    return gaussian_filter(spectrograms, (0, sigma, sigma, 0), mode="reflect")


@dataclass(frozen=True)
class Fidelity:
    """Similarity of evaluated samples to real clips of speakers that no GAN was trained on.

    Attributes:
        count: number of evaluated samples.
        kid: Kernel Inception Distance. Its expectation is 0 for the same distribution; single
            values can be negative.
        kid_error: standard error of ``kid``, 0 or more.
        fid: Frechet distance, 0 or more. Unlike the other measures it falls with ``count``.
        fid_reliable: whether there are enough samples for ``fid`` to be meaningful.
        precision: fraction of evaluated samples in the neighbourhood of a real sample, 0 to 1.
        recall: fraction of real samples in the neighbourhood of an evaluated sample, 0 to 1.
        density: 0 or more; 1 for the same distribution.
        coverage: fraction of real samples with an evaluated sample in their neighbourhood, 0 to 1.
            About 0.97 for the same distribution, 5 neighbours and sets of equal size.
        copying: mean Z-score. Far below 0 (-3) the evaluated samples are nearer to the GAN's
            training clips than real clips of other speakers are. The samples are then copies, or
            only resemble the training speakers (see
            :func:`~serkit.metrics.neighbours.copying_score`). None if it was not computed.
    """

    count: int
    kid: float
    kid_error: float
    fid: float
    fid_reliable: bool
    precision: float
    recall: float
    density: float
    coverage: float
    copying: float | None


def fidelity(
    held_out: npt.NDArray[Any],
    generated: npt.NDArray[Any],
    training: npt.NDArray[Any] | None = None,
    *,
    neighbours: int = 5,
    per_draw: int | None = None,
    seed: int = 0,
) -> Fidelity:
    """Compare generated samples with real clips of held-out speakers.

    Recall, coverage and the Z-score of copying depend on the number of evaluated samples. So these
    three, precision and density are means over disjoint draws of ``per_draw`` samples each.
    Remaining samples that do not fill a draw are left out. Results with the same ``held_out``,
    ``training``, ``neighbours`` and ``per_draw`` are comparable even if their counts differ. KID
    and FID use all samples. The expectation of KID does not depend on the count, that of FID does.

    ``fidelity(held_out, training)`` gives the values of real clips. The argument ``training`` is
    left out there, because the distance of a clip to itself is 0, which is no information.

    Args:
        held_out: features of real clips of held-out speakers, floats ``(held_out, d)``.
        generated: features of the evaluated samples, floats ``(generated, d)``.
        training: features of the GAN's training clips, floats ``(training, d)``. With None,
            ``copying`` is not computed.
        neighbours: as for :func:`~serkit.metrics.neighbours.overlap`.
        per_draw: samples in a draw, from ``neighbours`` + 1 to the number of generated samples.
            None means the number of held-out samples. To compare several sets, pass the size of the
            smallest set for all of them.
        seed: seed of the assignment of samples to draws.

    Raises:
        InputError: if ``held_out`` or ``generated`` has fewer than 3 samples, there are fewer
            generated samples than ``per_draw``, ``neighbours`` is out of range, or the features
            cannot be compared.

    Source: see the functions that compute the measures.
    """
    held_out, generated = check_features(3, held_out=held_out, generated=generated)
    per_draw = len(held_out) if per_draw is None else per_draw
    check_range("neighbours", neighbours, 1, min(len(held_out), len(generated)) - 1)
    check_range("per_draw", per_draw, neighbours + 1, len(generated))
    draws = _draws(generated, per_draw, seed)
    overlaps = [overlap(held_out, draw, neighbours) for draw in draws]
    distance, error = kid(held_out, generated)
    return Fidelity(
        count=len(generated),
        kid=distance,
        kid_error=error,
        fid=frechet_distance(held_out, generated),
        fid_reliable=fid_is_reliable(len(held_out), len(generated)),
        precision=float(np.mean([one.precision for one in overlaps])),
        recall=float(np.mean([one.recall for one in overlaps])),
        density=float(np.mean([one.density for one in overlaps])),
        coverage=float(np.mean([one.coverage for one in overlaps])),
        copying=None if training is None else _copying(training, held_out, draws),
    )


def _draws(samples: npt.NDArray[Any], size: int, seed: int) -> npt.NDArray[Any]:
    """Return as many disjoint draws of ``size`` samples as possible, ``(draws, size, d)``."""
    # Shuffled, because real clips are sorted by speaker.
    order = np.random.default_rng(derive_seed(seed, "fidelity")).permutation(len(samples))
    count = len(samples) // size
    return samples[order[: count * size]].reshape(count, size, -1)


def _copying(
    training: npt.NDArray[Any], held_out: npt.NDArray[Any], draws: npt.NDArray[Any]
) -> float:
    return float(np.mean([copying_score(training, held_out, draw) for draw in draws]))
