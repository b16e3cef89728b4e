"""Nearest neighbours of feature vectors: precision, recall, density, coverage, near-copies."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist
from scipy.stats import rankdata

from serkit.errors import InputError, check_range

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


# Rows of a distance matrix at a time, so that many generated samples do not fill the memory.
_BLOCK = 1024


@dataclass(frozen=True)
class Overlap:
    """How the neighbourhoods of real and generated samples lie over each other.

    Attributes:
        precision: share of generated samples in the neighbourhood of a real one, 0 to 1.
        recall: share of real samples in the neighbourhood of a generated one, 0 to 1.
        density: in how many real neighbourhoods a generated sample lies, over ``neighbours``: 0
            or more, about 1 for a perfect generator, above it where generated samples crowd into
            dense regions.
        coverage: share of real samples with a generated one in their neighbourhood, 0 to 1.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def overlap(real: np.ndarray, generated: np.ndarray, neighbours: int = 5) -> Overlap:
    """Compare two sets by the neighbourhoods of their samples.

    A neighbourhood is the ball that reaches to the ``neighbours``-th nearest other sample of the
    same set. What lies on its surface is inside, as in Kynkaanniemi et al., so that a copy of a
    real sample is always inside; the authors of density and coverage leave it out in their code.

    Recall and coverage depend on the number of samples: with as many generated as real ones a
    perfect generator has an expected coverage of about 1 - 2 ** -neighbours, 0.97 for 5, and with
    ten times as many nearly 1. So compare sets of equal numbers only.

    Args:
        real: features, floats ``(real, d)``.
        generated: features, floats ``(generated, d)``.
        neighbours: from 1 to one less than there are samples in the smaller set.

    Raises:
        InputError: if ``neighbours`` is out of range or the features are not fit to be compared
            (see :func:`check_features`).

    Source: Kynkaanniemi et al. (2019), arXiv:1904.06991, for precision and recall; Naeem et al.
    (2020), arXiv:2002.09797, for density and coverage.
    """
    real, generated = check_features(2, real=real, generated=generated)
    check_range("neighbours", neighbours, 1, min(len(real), len(generated)) - 1)
    distances = cdist(real, generated)
    near_real = distances <= _radii(real, neighbours)[:, None]
    near_generated = distances <= _radii(generated, neighbours)[None, :]
    return Overlap(
        precision=float(near_real.any(axis=0).mean()),
        recall=float(near_generated.any(axis=1).mean()),
        density=float(near_real.sum() / (neighbours * len(generated))),
        coverage=float(near_real.any(axis=1).mean()),
    )


def nearest_distances(samples: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Euclidean distance of each sample ``(n, d)`` to the nearest of others ``(m, d)``: ``(n,)``.

    0 for a copy, exactly: distances are not taken from inner products, which round.

    Raises:
        InputError: if the features are not fit to be compared (see
            :func:`check_features`).
    """
    samples, others = check_features(1, samples=samples, others=others)
    blocks = np.array_split(samples, -(-len(samples) // _BLOCK))
    return np.concatenate([cdist(block, others).min(axis=1) for block in blocks])


def _radii(samples: np.ndarray, neighbours: int) -> np.ndarray:
    """Distance to the ``neighbours``-th nearest other sample; the nearest of all is itself."""
    return np.partition(cdist(samples, samples), neighbours, axis=1)[:, neighbours]


def copying_score(training: np.ndarray, held_out: np.ndarray, generated: np.ndarray) -> float:
    """Whether generated samples lie nearer to the training samples than held-out real ones do.

    Z-score of a Mann-Whitney U test on the distances to the nearest training sample. Were both
    distances distributed alike and all samples independent, Z would be about standard normal.
    Below -3 (by chance once in some 740 sets) it strongly suggests copying; above 3 the generated
    samples lie farther from the training samples than real ones, as those of a bad generator do.
    Z grows with the numbers of samples: compare sets of equal numbers only.

    Held-out clips are of other speakers here, so a generator that has learned its speakers'
    voices, and copies none of their clips, has a Z below 0, too. Where they are at hand, clips of
    the training's own speakers that the generator did not see, given as ``generated``, show how
    much of it is the voices. Clips of one speaker are not independent, either, which drives Z
    farther from 0 than it should be, on both sides.

    Args:
        training: features of what the generator saw, floats ``(training, d)``.
        held_out: features of real samples that it did not see, floats ``(held_out, d)``.
        generated: features of what is judged, floats ``(generated, d)``.

    Returns:
        Z, 0 where all distances are the same.

    Raises:
        InputError: if the features are not fit to be compared (see
            :func:`check_features`).

    Source: Meehan et al. (2020), arXiv:2004.05675, the global test; ties as in Lehmann (1975).
    """
    sets = {"training": training, "held_out": held_out, "generated": generated}
    training, held_out, generated = check_features(1, **sets)
    m, n = len(generated), len(held_out)
    near = nearest_distances(np.concatenate([generated, held_out]), training)
    u = rankdata(near)[:m].sum() - m * (m + 1) / 2
    ties = np.unique(near, return_counts=True)[1].astype(float)
    variance = m * n / 12 * (m + n + 1 - np.sum(ties**3 - ties) / ((m + n) * (m + n - 1)))
    # Where all are tied, rounding may leave a variance just above or below 0.
    return float((u - m * n / 2) / np.sqrt(variance)) if len(ties) > 1 else 0.0


def near_copies(training: np.ndarray, generated: np.ndarray, threshold: float) -> np.ndarray:
    """Which generated samples have a training sample at ``threshold`` or nearer.

    Args:
        training: features, floats ``(training, d)``.
        generated: features, floats ``(generated, d)``.
        threshold: a distance, 0 or more, as from :func:`copy_threshold`; 0 finds exact copies.

    Returns:
        bool ``(generated,)``.

    Raises:
        InputError: if ``threshold`` is below 0 or the features are not fit to be compared.
    """
    check_range("threshold", threshold, 0)
    training, generated = check_features(1, training=training, generated=generated)
    return nearest_distances(generated, training) <= threshold


def copy_threshold(features: np.ndarray, speakers: Sequence[str], quantile: float = 0.05) -> float:
    """Distance at which a sample counts as a near-copy: so near few speakers come to each other.

    For each real clip the distance to the nearest clip of another speaker is taken; the threshold
    is a low quantile of these. Clips of the same speaker do not count, since two takes of one
    sentence are nearly copies themselves. So ``quantile`` is the share of real clips of new
    speakers that would be called near-copies: 5 % of near-copies in a generated set are what real
    clips have. More are suspicious, but no proof: samples in the training speakers' voices come
    nearer, too. A lower quantile rests on fewer clips (with 0.05 and 200 clips, on the ten
    nearest) and soon on a duplicate that the audit missed.

    Give the clips that the generator was trained on: the more clips, the nearer the nearest.

    Args:
        features: of real clips, floats ``(clips, d)``.
        speakers: of each clip; at least two different ones.
        quantile: from 0 to 1, interpolated linearly between clips.

    Returns:
        A distance, 0 or more.

    Raises:
        InputError: if ``quantile`` is out of range, there is one speaker only, the numbers of
            clips and speakers differ, or features are not finite.
    """
    check_range("quantile", quantile, 0, 1)
    (features,) = check_features(2, features=features)
    speakers = np.asarray(speakers)
    names = np.unique(speakers)
    if speakers.shape != (len(features),) or len(names) < 2:
        raise InputError(
            f"speakers has {speakers.size} entries and {len(names)} different ones for "
            f"{len(features)} clips; valid are one for each clip and two different ones or more"
        )
    parts = [speakers == name for name in names]
    near = [nearest_distances(features[part], features[~part]) for part in parts]
    return float(np.quantile(np.concatenate(near), quantile))
