"""Fidelity of generated samples: KID, Fréchet distance, and reference sets."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from serkit.errors import InputError, check_range
from serkit.metrics.neighbours import check_features, copying_score, overlap
from serkit.seeds import derive_seed

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
            :func:`~serkit.metrics.neighbours.check_features`).

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


# Samples in each set from which on the distance is usually trusted.
RELIABLE_FROM = 10_000


def frechet_distance(real: np.ndarray, generated: np.ndarray) -> float:
    """Squared Frechet distance between the Gaussians with the sets' means and covariances.

    |m1 - m2|^2 + trace(S1 + S2 - 2 (S1 S2)^(1/2)), with covariances over n - 1. It is too large
    by an amount that falls with the numbers of samples and differs between generators: below
    :data:`RELIABLE_FROM` samples compare sets of equal numbers only, and rather use
    :func:`kid`.

    Args:
        real: features, floats ``(real, d)``, at least 2 samples.
        generated: features, floats ``(generated, d)``, at least 2 samples.

    Returns:
        0 or more, in squared units of the features; 0 for equal means and covariances.

    Raises:
        InputError: if the features are not fit to be compared (see
            :func:`~serkit.metrics.neighbours.check_features`).

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


@dataclass(frozen=True)
class Fidelity:
    """How near a set of samples comes to real clips of speakers whom no GAN saw.

    Attributes:
        count: samples judged.
        kid: Kernel Inception Distance; 0 for the same distribution, single values also below.
        kid_error: its standard error, 0 or more.
        fid: Frechet distance, 0 or more; unlike the others it falls with ``count``.
        fid_reliable: whether there are enough samples for ``fid`` to mean something.
        precision: share of the judged samples that lie among real ones, 0 to 1.
        recall: share of real samples that lie among the judged ones, 0 to 1.
        density: 0 or more; 1 for the same distribution.
        coverage: share of real samples with a judged one near, 0 to 1; for the same distribution
            about 0.97 with 5 neighbours and equal numbers.
        copying: mean Z-score; far below 0 (-3) the judged samples are nearer to what the GAN was
            trained on than real clips of other speakers are, be it by copying clips or by having
            their voices (see :func:`~serkit.metrics.neighbours.copying_score`). None if it was
            not asked for.
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
    held_out: np.ndarray,
    generated: np.ndarray,
    training: np.ndarray | None = None,
    *,
    neighbours: int = 5,
    per_draw: int | None = None,
    seed: int = 0,
) -> Fidelity:
    """Judge generated samples by real clips of other speakers.

    Recall, coverage and the Z-score of copying depend on how many samples are judged. So they,
    precision and density are means over draws of ``per_draw`` samples each, as many as there are
    without using a sample twice; a rest that fills no draw is left out. Rows made with the same
    ``held_out``, ``training``, ``neighbours`` and ``per_draw`` can be compared, whatever their
    counts. KID and FID use all samples; KID's expectation does not depend on the count, FID's does.

    What real clips reach by the same measures is ``fidelity(held_out, training)``, without
    ``training``: clips lie at a distance of 0 from themselves, which says nothing.

    Args:
        held_out: features of real clips of other speakers, floats ``(held_out, d)``.
        generated: features of what is judged, floats ``(generated, d)``.
        training: features of what the GAN was trained on, floats ``(training, d)``; None leaves
            copying out.
        neighbours: as for :func:`~serkit.metrics.neighbours.overlap`.
        per_draw: samples in a draw, from ``neighbours`` + 1 to the number generated; None takes
            as many as are held out. To compare with a set of fewer, give its number for all sets.
        seed: of who is in which draw.

    Raises:
        InputError: if a set has fewer than 3 samples, fewer are generated than a draw takes,
            ``neighbours`` is out of range, or the features are not fit to be compared.

    Source: see the modules that the numbers come from.
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


def _draws(samples: np.ndarray, size: int, seed: int) -> np.ndarray:
    """As many disjoint draws as there are: ``(draws, size, d)``."""
    # Shuffled, since real clips come in the order of their speakers.
    order = np.random.default_rng(derive_seed(seed, "fidelity")).permutation(len(samples))
    count = len(samples) // size
    return samples[order[: count * size]].reshape(count, size, -1)


def _copying(training: np.ndarray, held_out: np.ndarray, draws: np.ndarray) -> float:
    return float(np.mean([copying_score(training, held_out, draw) for draw in draws]))
