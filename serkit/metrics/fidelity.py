"""Fidelity of generated samples: KID, Fréchet inception distance (FID), all measures at once."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from serkit.errors import check_range
from serkit.metrics.neighbours import copying_z, prdc, validated_features
from serkit.seeds import derive_seed

# Rows of a kernel matrix that are computed at a time, which bounds the memory.
_BLOCK = 1024


def kid(real: npt.NDArray[Any], generated: npt.NDArray[Any]) -> tuple[float, float]:
    """Compute the Kernel Inception Distance of two sets of features.

    KID is the unbiased estimate of the squared maximum mean discrepancy under the kernel
    (x.y / d + 1) ** 3. Its expectation does not depend on the numbers of samples. For two sets from
    the same distribution the expectation is 0, so that single values can be negative. All samples
    are used, not subsets as in the paper.

    The standard error is a jackknife estimate. Each sample of either set is left out in turn. This
    gives one jackknife variance per set; the squared standard error is their sum. The jackknife
    assumes independent samples. The error is too small where samples are dependent, as clips of one
    speaker are. Where both distributions are the same, the error is too large by a factor of about
    sqrt(2), because the jackknife counts the joint effect of two samples twice.

    Args:
        real: features, floats ``(real, d)``, at least 3 samples, because KID needs 2 samples
            when the jackknife leaves one out.
        generated: features, floats ``(generated, d)``, at least 3 samples.

    Returns:
        ``(kid, error)``: the distance, in the unit of the kernel, and its standard error.

    Raises:
        InputError: if the features cannot be compared (see
            :func:`~serkit.metrics.neighbours.validated_features`).

    Source: Binkowski et al. (2018), arXiv:1801.01401; Efron & Stein (1981) for the jackknife.

    Example:
        >>> import numpy as np
        >>> from serkit import metrics
        >>> real, generated = np.random.default_rng(0).normal(size=(2, 50, 4))
        >>> distance, error = metrics.kid(real, generated + 1)
        >>> distance > 3 * error
        True
    """
    real, generated = validated_features(3, real=real, generated=generated)
    n_real, n_generated = len(real), len(generated)
    # Sums of the kernel between each sample and all other samples of its own set, or all samples of
    # the other set.
    within_real = _kernel_row_and_column_sums(real, real)[0] - _kernel_diagonal(real)
    within_generated = _kernel_row_and_column_sums(generated, generated)[0] - _kernel_diagonal(
        generated
    )
    real_to_generated, generated_to_real = _kernel_row_and_column_sums(real, generated)
    sum_real, sum_generated = within_real.sum(), within_generated.sum()
    sum_cross = real_to_generated.sum()
    distance = _squared_mmd(sum_real, sum_generated, sum_cross, n_real, n_generated)
    # Leaving out one sample removes its row and its column from the sums.
    without_real = _squared_mmd(
        sum_real - 2 * within_real,
        sum_generated,
        sum_cross - real_to_generated,
        n_real - 1,
        n_generated,
    )
    without_generated = _squared_mmd(
        sum_real,
        sum_generated - 2 * within_generated,
        sum_cross - generated_to_real,
        n_real,
        n_generated - 1,
    )
    variance = _jackknife_variance(without_real) + _jackknife_variance(without_generated)
    return float(distance), float(np.sqrt(variance))


def _kernel_row_and_column_sums(
    x: npt.NDArray[Any], y: npt.NDArray[Any]
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return the row sums and the column sums of the kernel matrix ``(len(x), len(y))``."""
    row_sums, column_sums = [], np.zeros(len(y))
    for block in np.array_split(x, -(-len(x) // _BLOCK)):
        kernel = _polynomial_kernel(block @ y.T, x.shape[1])
        row_sums.append(kernel.sum(axis=1))
        column_sums += kernel.sum(axis=0)
    return np.concatenate(row_sums), column_sums


def _kernel_diagonal(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return _polynomial_kernel(np.einsum("ij,ij->i", x, x), x.shape[1])


def _polynomial_kernel(dot_products: npt.NDArray[Any], dimension: int) -> npt.NDArray[Any]:
    base = dot_products / dimension + 1
    return base * base * base


def _squared_mmd(sum_x, sum_y, sum_xy, n_x: int, n_y: int):
    """Compute the unbiased squared maximum mean discrepancy from sums of the kernel over pairs.

    ``sum_x`` and ``sum_y`` are the sums over all ordered pairs of different samples in one set.
    ``sum_xy`` is the sum over all pairs of a sample of each set. ``n_x`` and ``n_y`` are the
    numbers of samples.
    """
    return sum_x / (n_x * (n_x - 1)) + sum_y / (n_y * (n_y - 1)) - 2 * sum_xy / (n_x * n_y)


def _jackknife_variance(leave_one_out_values: npt.NDArray[Any]) -> float:
    return (len(leave_one_out_values) - 1) * leave_one_out_values.var()


MIN_SAMPLES_FOR_FID = 10_000
"""Number of samples per set from which on the FID is usually trusted."""


def frechet_distance(real: npt.NDArray[Any], generated: npt.NDArray[Any]) -> float:
    """Compute the Fréchet inception distance (FID) of two sets of features.

    The FID is the squared Fréchet distance between the Gaussians with the sets' means m and
    covariances S: |m1 - m2|^2 + trace(S1 + S2 - 2 (S1 S2)^(1/2)), with unbiased covariances
    (divided by n - 1). The estimate is biased upwards. The bias falls as the numbers of samples
    rise, and differs between generators. So below :data:`MIN_SAMPLES_FOR_FID` samples compare only
    sets of equal size, and prefer :func:`kid`.

    Args:
        real: features, floats ``(real, d)``, at least 2 samples.
        generated: features, floats ``(generated, d)``, at least 2 samples.

    Returns:
        0 or more, in squared units of the features; 0 for equal means and covariances.

    Raises:
        InputError: if the features cannot be compared (see
            :func:`~serkit.metrics.neighbours.validated_features`).

    Source: Heusel et al. (2017), arXiv:1706.08500; Binkowski et al. (2018), arXiv:1801.01401, for
    the bias.

    Example:
        >>> import numpy as np
        >>> from serkit import metrics
        >>> real, generated = np.random.default_rng(0).normal(size=(2, 50, 4))
        >>> metrics.frechet_distance(real, real) < 1e-9 < metrics.frechet_distance(real, generated)
        True
    """
    real, generated = validated_features(2, real=real, generated=generated)
    mean_difference = real.mean(axis=0) - generated.mean(axis=0)
    factor_real, factor_generated = _covariance_factor(real), _covariance_factor(generated)
    # With S = F'F, the eigenvalues of S1 S2 are the squared singular values of F1 F2'. So no matrix
    # square root is needed. With fewer samples than features, rounding makes a matrix square root
    # complex, and a rounding error of 1e-16 becomes one of 1e-8.
    trace_root = np.linalg.svd(factor_real @ factor_generated.T, compute_uv=False).sum()
    traces = np.sum(factor_real**2), np.sum(factor_generated**2)
    distance = mean_difference @ mean_difference + traces[0] + traces[1] - 2 * trace_root
    return max(float(distance), 0.0)


def fid_is_reliable(real: int, generated: int) -> bool:
    """Return whether both numbers of samples are :data:`MIN_SAMPLES_FOR_FID` or more.

    Source: the notes to the code of Heusel et al.; Binkowski et al. (2018) show the reason.
    """
    return min(real, generated) >= MIN_SAMPLES_FOR_FID


def _covariance_factor(samples: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return F ``(min(n, d), d)``, where F'F is the covariance of samples ``(n, d)``."""
    centred = samples - samples.mean(axis=0)
    return np.linalg.qr(centred, mode="r") / np.sqrt(len(samples) - 1)


@dataclass(frozen=True)
class Fidelity:
    """Similarity of evaluated samples to real clips of speakers that no GAN was trained on.

    Attributes:
        count: number of evaluated samples.
        kid: Kernel Inception Distance. Its expectation is 0 for the same distribution; single
            values can be negative.
        kid_error: standard error of ``kid``, 0 or more.
        fid: Fréchet inception distance, 0 or more; biased upwards; the bias falls as ``count``
            rises.
        fid_reliable: whether there are enough samples for ``fid`` to be meaningful.
        precision: fraction of evaluated samples in the neighbourhood of a real sample, 0 to 1. A
            neighbourhood is as in :func:`~serkit.metrics.neighbours.prdc`.
        recall: fraction of real samples in the neighbourhood of an evaluated sample, 0 to 1.
        density: mean number of real neighbourhoods that contain an evaluated sample, divided by
            ``neighbours``: 0 or more; about 1 for the same distribution.
        coverage: fraction of real samples with an evaluated sample in their neighbourhood, 0 to 1.
            About 0.97 for the same distribution, 5 neighbours and sets of equal size.
        copying: mean Z-score. Below about -3 the evaluated samples are nearer to the GAN's training
            clips than real clips of other speakers are. The samples are then copies, or only
            resemble the training speakers (see
            :func:`~serkit.metrics.neighbours.copying_z`). None if it was not computed.
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
    held_out_features: npt.NDArray[Any],
    evaluated_features: npt.NDArray[Any],
    training_features: npt.NDArray[Any] | None = None,
    *,
    neighbours: int = 5,
    subset_size: int | None = None,
    seed: int = 0,
) -> Fidelity:
    """Compare evaluated samples, usually generated ones, with real clips of held-out speakers.

    Recall, coverage and copying depend on the number of evaluated samples. Therefore precision,
    recall, density, coverage and copying are averaged over disjoint subsets of ``subset_size``
    evaluated samples; leftover samples are ignored. KID and FID use all samples. All values except
    FID can be compared between sets of different size if ``held_out_features``,
    ``training_features``, ``neighbours`` and ``subset_size`` are equal.

    For a reference value, pass features of the training clips as ``evaluated_features`` and leave
    ``training_features`` as None. Each clip would have distance 0 to itself, so the Z-score would
    be meaningless.

    Args:
        held_out_features: features of real clips of held-out speakers, floats ``(held_out, d)``.
        evaluated_features: features of the evaluated samples, floats ``(evaluated, d)``.
        training_features: features of the GAN's training clips, floats ``(training, d)``. With
            None, ``copying`` is not computed.
        neighbours: as for :func:`~serkit.metrics.neighbours.prdc`.
        subset_size: number of samples in a subset, from ``neighbours`` + 1 to the number of
            evaluated samples. None means the number of held-out samples. To compare several sets,
            pass the size of the smallest set for all of them.
        seed: seed of the assignment of samples to subsets.

    Raises:
        InputError: if there are fewer than 3 held-out or evaluated samples, or fewer evaluated
            samples than ``subset_size``, if ``neighbours`` is out of range, or if the features
            cannot be compared.

    Source: see the functions that compute the measures.
    """
    held_out, evaluated = validated_features(
        3, held_out_features=held_out_features, evaluated_features=evaluated_features
    )
    subset_size = len(held_out) if subset_size is None else subset_size
    check_range("neighbours", neighbours, 1, min(len(held_out), len(evaluated)) - 1)
    check_range("subset_size", subset_size, neighbours + 1, len(evaluated))
    subsets = _disjoint_subsets(evaluated, subset_size, seed)
    prdc_of_subsets = [prdc(held_out, subset, neighbours) for subset in subsets]
    copying = None
    if training_features is not None:
        (training,) = validated_features(1, training_features=training_features)
        z_scores = [copying_z(training, held_out, subset) for subset in subsets]
        copying = float(np.mean(z_scores))
    distance, error = kid(held_out, evaluated)
    return Fidelity(
        count=len(evaluated),
        kid=distance,
        kid_error=error,
        fid=frechet_distance(held_out, evaluated),
        fid_reliable=fid_is_reliable(len(held_out), len(evaluated)),
        precision=float(np.mean([result.precision for result in prdc_of_subsets])),
        recall=float(np.mean([result.recall for result in prdc_of_subsets])),
        density=float(np.mean([result.density for result in prdc_of_subsets])),
        coverage=float(np.mean([result.coverage for result in prdc_of_subsets])),
        copying=copying,
    )


def _disjoint_subsets(samples: npt.NDArray[Any], subset_size: int, seed: int) -> npt.NDArray[Any]:
    """Return as many disjoint subsets as possible, ``(subsets, subset_size, d)``."""
    # Shuffled, because real clips are sorted by speaker.
    shuffled = np.random.default_rng(derive_seed(seed, "fidelity")).permutation(len(samples))
    n_subsets = len(samples) // subset_size
    return samples[shuffled[: n_subsets * subset_size]].reshape(n_subsets, subset_size, -1)
