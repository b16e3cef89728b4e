"""Nearest neighbours of feature vectors: precision, recall, density, coverage, near-copies."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist
from scipy.stats import rankdata

from serkit.errors import InputError, check_range

_BLOCK_SIZE = 8


def block_means(spectrograms: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Average spectrograms over blocks of 8 frames by 8 bins, as features for near-copies.

    The features still distinguish single clips.

    Args:
        spectrograms: ``(n, frames, bins, 1)``. Frames and bins after the last whole block are cut
            off.

    Returns:
        Features ``(n, (frames // 8) * (bins // 8))``.
    """
    count, frames, bins, _ = spectrograms.shape
    rows, columns = frames // _BLOCK_SIZE, bins // _BLOCK_SIZE
    cropped = np.asarray(spectrograms)[:, : rows * _BLOCK_SIZE, : columns * _BLOCK_SIZE, 0]
    blocks = cropped.reshape(count, rows, _BLOCK_SIZE, columns, _BLOCK_SIZE)
    return blocks.mean(axis=(2, 4)).reshape(count, rows * columns)


def validated_features(
    min_samples: int, **feature_sets: npt.NDArray[Any]
) -> list[npt.NDArray[Any]]:
    """Check that sets of features can be compared; return each as float64 ``(n, d)``.

    Args:
        min_samples: minimum number of samples of each set.
        **feature_sets: floats ``(n, d)``, by the name that error messages use.

    Raises:
        InputError: unless each set has two dimensions, at least ``min_samples`` samples, at least
            one feature and only finite values, and all sets have the same number of features.
    """
    arrays = {name: np.asarray(values, dtype=np.float64) for name, values in feature_sets.items()}
    for name, array in arrays.items():
        if array.ndim != 2 or len(array) < min_samples or array.shape[1] == 0:
            raise InputError(
                f"`{name}` must be features (n, d) of {min_samples} or more samples. "
                f"Received: shape {array.shape}."
            )
        if not np.isfinite(array).all():
            n_bad = int((~np.isfinite(array)).any(axis=1).sum())
            raise InputError(
                f"`{name}` must be finite. Received: {n_bad} samples with NaN or infinity."
            )
    dimensions = {name: array.shape[1] for name, array in arrays.items()}
    if len(set(dimensions.values())) > 1:
        received = ", ".join(f"{dimension} in {name}" for name, dimension in dimensions.items())
        raise InputError(
            f"All sets must have the same number of features per sample. Received: {received}."
        )
    return list(arrays.values())


# Number of rows of the distance matrix that nearest_distances computes at a time, to bound its
# memory.
_ROWS_PER_CHUNK = 1024


@dataclass(frozen=True)
class PRDC:
    """Precision, recall, density and coverage of generated samples.

    Attributes:
        precision: fraction of generated samples in the neighbourhood of at least one real sample,
            0 to 1.
        recall: fraction of real samples in the neighbourhood of at least one generated sample,
            0 to 1.
        density: mean number of real neighbourhoods that contain a generated sample, divided by
            ``neighbours``: 0 or more. About 1 for a perfect generator; above 1 where generated
            samples concentrate in dense regions.
        coverage: fraction of real samples whose own neighbourhood contains a generated sample,
            0 to 1.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def prdc(real: npt.NDArray[Any], generated: npt.NDArray[Any], neighbours: int = 5) -> PRDC:
    """Compute precision, recall, density and coverage (PRDC) of generated samples.

    The neighbourhood of a sample is the ball whose radius is the distance to the
    ``neighbours``-th nearest other sample of the same set. The ball includes its surface, as in
    Kynkäänniemi et al., so that a copy of a real sample is always inside. The code of the authors
    of density and coverage excludes the surface.

    Recall and coverage depend on the number of samples. With as many generated as real samples, a
    perfect generator has an expected coverage of about 1 - 2 ** -neighbours, which is 0.97 for 5.
    With ten times as many generated samples the coverage is nearly 1. So compare only sets of equal
    size.

    Args:
        real: features, floats ``(n_real, d)``.
        generated: features, floats ``(n_generated, d)``.
        neighbours: number k of nearest neighbours, 1 to the size of the smaller set minus 1.

    Returns:
        Precision, recall, density and coverage.

    Raises:
        InputError: if ``neighbours`` is out of range or the features cannot be compared (see
            :func:`validated_features`).

    Source: Kynkäänniemi et al. (2019), arXiv:1904.06991, for precision and recall; Naeem et al.
    (2020), arXiv:2002.09797, for density and coverage.

    Example:
        >>> import numpy as np
        >>> from serkit import metrics
        >>> real, generated = np.random.default_rng(0).normal(size=(2, 50, 4))
        >>> result = metrics.prdc(real, generated)
        >>> result.precision > 0.5, metrics.prdc(real, generated + 9).precision
        (True, 0.0)
    """
    real, generated = validated_features(2, real=real, generated=generated)
    check_range("neighbours", neighbours, 1, min(len(real), len(generated)) - 1)
    distances = cdist(real, generated)
    is_near_real = distances <= _radii(real, neighbours)[:, None]
    is_near_generated = distances <= _radii(generated, neighbours)[None, :]
    return PRDC(
        precision=float(is_near_real.any(axis=0).mean()),
        recall=float(is_near_generated.any(axis=1).mean()),
        density=float(is_near_real.sum() / (neighbours * len(generated))),
        coverage=float(is_near_real.any(axis=1).mean()),
    )


def nearest_distances(samples: npt.NDArray[Any], others: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Compute the Euclidean distance of each sample to the nearest of ``others``.

    The distance of a copy is exactly 0: ``cdist`` subtracts the vectors. (scikit-learn's
    ``euclidean_distances`` uses inner products, which round.)

    Args:
        samples: features, floats ``(n, d)``.
        others: features, floats ``(m, d)``.

    Returns:
        Distances ``(n,)``.

    Raises:
        InputError: if the features cannot be compared (see :func:`validated_features`).
    """
    samples, others = validated_features(1, samples=samples, others=others)
    chunks = np.array_split(samples, math.ceil(len(samples) / _ROWS_PER_CHUNK))
    return np.concatenate([cdist(chunk, others).min(axis=1) for chunk in chunks])


def _radii(samples: npt.NDArray[Any], neighbours: int) -> npt.NDArray[Any]:
    """Return each sample's distance to the ``neighbours``-th nearest other sample of the set."""
    return np.partition(cdist(samples, samples), neighbours, axis=1)[:, neighbours]


def copying_z(
    training: npt.NDArray[Any], held_out: npt.NDArray[Any], generated: npt.NDArray[Any]
) -> float:
    """Compute the Z-score of a test for copying, negative if generated samples are copies.

    The Mann-Whitney U test compares the distances to the nearest training sample. Z is negative if
    generated samples are nearer to the training samples than held-out samples are. If both
    distances had the same distribution and all samples were independent, Z would be approximately
    standard normal. A Z below -3 (by chance once in about 740 sets) strongly suggests copying.
    Above 3 the generated samples are farther from the training samples than real samples are, as
    happens with a bad generator. The magnitude of Z grows with the numbers of samples. So compare
    only sets of equal size.

    If the held-out samples are of other speakers, Z is also below 0 for a generator that has
    learned the voices of its training speakers, but copies no clips. To measure that effect, pass
    unused clips of the training speakers as ``generated``. Clips of one speaker are not
    independent, so large values of abs(Z) are more frequent than the normal distribution says.

    Args:
        training: features of the generator's training samples, floats ``(n_training, d)``.
        held_out: features of real samples that the generator was not trained on, floats
            ``(n_held_out, d)``.
        generated: features of the evaluated samples, floats ``(n_generated, d)``.

    Returns:
        Z; 0 if all distances are equal.

    Raises:
        InputError: if the features cannot be compared (see :func:`validated_features`).

    Source: the global test of Meehan et al. (2020), arXiv:2004.05675; ties as in Lehmann (1975).

    Example:
        >>> import numpy as np
        >>> from serkit import metrics
        >>> training, held_out = np.random.default_rng(0).normal(size=(2, 50, 4))
        >>> metrics.copying_z(training, held_out, training) < -3
        True
    """
    training, held_out, generated = validated_features(
        1, training=training, held_out=held_out, generated=generated
    )
    m, n = len(generated), len(held_out)
    distances = nearest_distances(np.concatenate([generated, held_out]), training)
    tie_sizes = np.unique(distances, return_counts=True)[1].astype(float)
    # If all distances are tied, rounding may make the variance slightly positive or negative.
    if len(tie_sizes) == 1:
        return 0.0
    u = rankdata(distances)[:m].sum() - m * (m + 1) / 2
    tie_correction = np.sum(tie_sizes**3 - tie_sizes) / ((m + n) * (m + n - 1))
    variance = m * n / 12 * (m + n + 1 - tie_correction)
    return float((u - m * n / 2) / np.sqrt(variance))


def near_copies(
    training: npt.NDArray[Any], generated: npt.NDArray[Any], threshold: float
) -> npt.NDArray[Any]:
    """Mark the generated samples that have a training sample within ``threshold``.

    Args:
        training: features, floats ``(n_training, d)``.
        generated: features, floats ``(n_generated, d)``.
        threshold: a distance, 0 or more, as from :func:`copy_threshold`; 0 finds exact copies.

    Returns:
        True for near-copies, bool ``(n_generated,)``.

    Raises:
        InputError: if ``threshold`` is below 0 or the features cannot be compared.

    Example:
        >>> import numpy as np
        >>> from serkit import metrics
        >>> training, generated = np.array([[0.0], [1.0]]), np.array([[0.1], [5.0]])
        >>> metrics.near_copies(training, generated, threshold=0.2)
        array([ True, False])
    """
    check_range("threshold", threshold, 0)
    training, generated = validated_features(1, training=training, generated=generated)
    return nearest_distances(generated, training) <= threshold


def copy_threshold(
    features: npt.NDArray[Any], speakers: Sequence[str], quantile: float = 0.05
) -> float:
    """Compute the distance up to which a sample counts as a near-copy of a training sample.

    The threshold is a low quantile of the distances of each real clip to the nearest clip of
    another speaker. Clips of the same speaker are ignored, because two takes of one sentence are
    nearly copies of each other. So ``quantile`` is the expected fraction of near-copies among real
    clips of unseen speakers: 5 % by default. A larger fraction in a generated set is suspicious,
    but no proof, because samples that resemble the training speakers are also nearer. A lower
    quantile depends on fewer clips (with 0.05 and 200 clips, on the ten nearest). A very low one
    may be set by a single duplicate that the audit did not find.

    Pass the generator's training clips, because distances to the nearest clip decrease with the
    number of clips.

    Args:
        features: floats ``(clips, d)``, of real clips.
        speakers: speaker of each clip; at least two different speakers.
        quantile: from 0 to 1, interpolated linearly between clips.

    Returns:
        A distance, 0 or more.

    Raises:
        InputError: if ``quantile`` is out of range, there is only one speaker, the numbers of clips
            and speakers differ, or features are not finite.

    Example:
        >>> import numpy as np
        >>> from serkit import metrics
        >>> features = np.array([[0.0], [1.0], [3.0], [4.0]])
        >>> metrics.copy_threshold(features, ["ann", "ann", "bob", "bob"], quantile=0.5)
        2.5
    """
    check_range("quantile", quantile, 0, 1)
    (features,) = validated_features(2, features=features)
    speaker_of_clip = np.asarray(speakers)
    speaker_names = np.unique(speaker_of_clip)
    if speaker_of_clip.shape != (len(features),) or len(speaker_names) < 2:
        raise InputError(
            f"`speakers` must name a speaker for each of {len(features)} clips, and 2 or more "
            f"speakers in all. Received: {speaker_of_clip.size} names of {len(speaker_names)} "
            "speakers."
        )
    masks = [speaker_of_clip == name for name in speaker_names]
    distances = [nearest_distances(features[mask], features[~mask]) for mask in masks]
    return float(np.quantile(np.concatenate(distances), quantile))
