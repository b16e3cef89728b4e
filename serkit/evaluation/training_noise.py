"""What of a difference is due to how trainings happened to go."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from serkit.evaluation.cells import Cells

Measure = Callable[[np.ndarray], np.ndarray]
"""From confusion matrices ``(…, classes, classes)`` to numbers ``(…)``; see
:mod:`serkit.evaluation.metrics`."""


@dataclass(frozen=True)
class TrainingNoise:
    """Parts of the variance of a difference between two arms.

    Attributes:
        variance: of the mean over folds and seeds, of what all speakers of a fold have in common
            because the same trainings predicted them; a bootstrap over speakers does not see it. 0
            if one seed alone cannot tell.
        removable: what very many seeds would take away, of both this and of what differs from
            speaker to speaker; None if one seed alone cannot tell.
    """

    variance: float
    removable: float | None


def training_noise(first: Cells, second: Cells, measure: Measure) -> TrainingNoise:
    """Estimate it from the differences of each speaker and seed within each fold.

    In a fold, differences by seed and speaker are taken apart as in an analysis of variance with
    two factors: seeds' means vary by what a training does to all speakers, and by a share of what
    it does to each by itself.

    Args:
        first: of one arm.
        second: of the other; the same clips and as many seeds.
        measure: what is measured.

    Source: Searle, Casella & McCulloch (1992), Variance Components, section 4.5.
    """
    seeds = len(first.counts)
    if seeds < 2:
        return TrainingNoise(0.0, None)
    apart = measure(second.counts) - measure(first.counts)
    parts = [_of_fold(apart[:, first.folds == fold]) for fold in np.unique(first.folds)]
    known = [part for part in parts if part is not None]
    if not known:
        return TrainingNoise(0.0, None)
    common, own = np.mean(known, axis=0)
    clips = first.counts.sum(axis=(0, 2, 3))
    shares = np.array([clips[first.folds == fold].sum() for fold in np.unique(first.folds)])
    variance = max(common, 0.0) * ((shares / shares.sum()) ** 2).sum() / seeds
    return TrainingNoise(float(variance), float(variance + own / (seeds * apart.shape[1])))


def _of_fold(apart: np.ndarray) -> tuple[float, float] | None:
    """Variances of what a training does to all speakers, and to each, of ``(seeds, speakers)``."""
    # A speaker without clips of the classes that are measured tells nothing.
    apart = apart[:, ~np.isnan(apart).any(axis=0)]
    seeds, speakers = apart.shape
    if speakers < 2:
        return None
    by_seed = apart.mean(axis=1, keepdims=True)
    rest = apart - by_seed - apart.mean(axis=0, keepdims=True) + apart.mean()
    own = (rest**2).sum() / ((seeds - 1) * (speakers - 1))
    return by_seed.var(ddof=1) - own / speakers, own
