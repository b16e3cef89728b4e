"""Measures of a classifier with intervals over speakers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from serkit.errors import InputError
from serkit.evaluation.cells import Cells, tabulate
from serkit.evaluation.metrics import accuracy, average_recall, class_recalls, macro_f1
from serkit.evaluation.paired import FEWEST, ends, estimate
from serkit.evaluation.training_noise import Measure


@dataclass(frozen=True)
class Interval:
    """A measure with a 95 % interval over speakers.

    Attributes:
        value: as measured.
        low: lower end; None where too few speakers have such clips.
        high: upper end.
    """

    value: float
    low: float | None
    high: float | None

    def __str__(self) -> str:
        """In per cent, such as ``51.2 [47.0, 55.3]``."""
        value = f"{100 * self.value:.1f}"
        if self.low is None:
            return value
        return f"{value} [{100 * self.low:.1f}, {100 * self.high:.1f}]"


@dataclass(frozen=True)
class Intervals:
    """What :class:`serkit.evaluation.metrics.Scores` holds, with intervals.

    Attributes:
        accuracy: share of clips that were right.
        uar: unweighted average recall.
        macro_f1: mean F1.
        recalls: per class; None for one without clips.
    """

    accuracy: Interval
    uar: Interval
    macro_f1: Interval
    recalls: tuple[Interval | None, ...]


def intervals(
    truth: np.ndarray,
    predicted: np.ndarray,
    speakers: Sequence[str],
    classes: int,
    *,
    seed: int,
    draws: int = 2000,
) -> Intervals:
    """Accuracy, UAR, macro F1 and recalls with 95 % intervals over speakers.

    Speakers, not clips, are drawn with replacement (a cluster bootstrap), see
    :func:`serkit.evaluation.paired.estimate`. A clip may be there several times, predicted by
    several trainings: it is drawn with its speaker, so that more trainings do not make an interval
    narrower, as more speakers would.

    Args:
        truth: integers ``(clips,)``, 0 to ``classes`` - 1.
        predicted: the same.
        speakers: of each clip.
        classes: number of classes.
        seed: of the draws.
        draws: number of bootstrap samples.

    Raises:
        InputError: if there are no clips, or lengths differ.

    Source: as for :func:`serkit.evaluation.paired.difference`. Draws in which a class has no clips
    do not count for its recall.
    """
    truth, predicted, speakers = map(np.asarray, (truth, predicted, speakers))
    for name, values in (("predictions", predicted), ("speakers", speakers)):
        if len(values) != len(truth):
            raise InputError(f"{len(values)} {name} for {len(truth)} clips; valid is one for each")
    if not len(truth):
        raise InputError("0 clips; valid are 1 or more")
    same = np.zeros(len(truth))
    cells = tabulate(truth, predicted, same, same, speakers, classes)
    three = (_of(cells, measure, seed, draws) for measure in (accuracy, average_recall, macro_f1))
    recalls = [
        _of(cells, lambda c, n=number: class_recalls(c)[..., n], seed, draws)
        if cells.pooled[number].any()
        else None
        for number in range(classes)
    ]
    return Intervals(*three, tuple(recalls))


def speaker_interval(
    measure: Callable[[np.ndarray], float],
    speakers: Sequence[str],
    *,
    seed: int,
    draws: int = 500,
) -> Interval:
    """Any measure of clips with a 95 % interval over speakers.

    Args:
        measure: gets numbers of clips, some several times, others not at all; NaN where it cannot
            be measured on these.
        speakers: of each clip.
        seed: of the draws.
        draws: number of bootstrap samples.

    Raises:
        InputError: if there are no clips.

    Source: as for :func:`serkit.evaluation.paired.difference`.
    """
    if not len(speakers):
        raise InputError("0 clips; valid are 1 or more")
    _, place = np.unique(np.asarray(speakers), return_inverse=True)
    clips = [np.flatnonzero(place == number) for number in range(place.max() + 1)]
    value = float(measure(np.arange(len(place))))
    if len(clips) < FEWEST:
        return Interval(value, None, None)
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(clips), (draws, len(clips)))
    found = np.array([measure(np.concatenate([clips[n] for n in row])) for row in drawn])
    found = found[~np.isnan(found)]
    if not len(found):
        return Interval(value, None, None)
    low, high = np.quantile(found, ends(len(clips)))
    return Interval(value, float(low), float(high))


def _of(cells: Cells, measure: Measure, seed: int, draws: int) -> Interval:
    found = estimate(cells, measure, seed=seed, draws=draws)
    return Interval(found.value, found.low, found.high)
