"""Precision, recall, density and coverage: whose neighbourhoods hold whom."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

from serkit.errors import check_range
from serkit.evaluation.features import check_features

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
            (see :func:`~serkit.evaluation.features.check_features`).

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
            :func:`~serkit.evaluation.features.check_features`).
    """
    samples, others = check_features(1, samples=samples, others=others)
    blocks = np.array_split(samples, -(-len(samples) // _BLOCK))
    return np.concatenate([cdist(block, others).min(axis=1) for block in blocks])


def _radii(samples: np.ndarray, neighbours: int) -> np.ndarray:
    """Distance to the ``neighbours``-th nearest other sample; the nearest of all is itself."""
    return np.partition(cdist(samples, samples), neighbours, axis=1)[:, neighbours]
