"""Measures of a classifier with intervals over speakers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from serkit.evaluation.bootstrap import drawn, ends, per_speaker
from serkit.evaluation.metrics import accuracy, average_recall, class_recalls, macro_f1


@dataclass(frozen=True)
class Interval:
    """A measure with a 95 % interval over speakers.

    Attributes:
        value: as measured.
        low: lower end; None where there is no interval, which one speaker cannot give.
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

    Speakers, not clips, are drawn with replacement (a cluster bootstrap), as in
    :func:`serkit.evaluation.bootstrap.uar_difference`. A clip may be there several times, predicted
    by several trainings: it is drawn with its speaker, so that more trainings do not make an
    interval narrower, as more speakers would.

    Args:
        truth: integers ``(clips,)``, 0 to ``classes`` - 1.
        predicted: the same.
        speakers: of each clip.
        classes: number of classes.
        seed: of the draws.
        draws: number of bootstrap samples.

    Raises:
        InputError: if there are no clips, or lengths differ.

    Source: Davison & Hinkley (1997), section 3.8; percentile intervals. Draws in which a class has
    no clips do not count for its recall.
    """
    counts = per_speaker(truth, predicted, speakers, classes)
    whole = counts.sum(axis=0)
    sampled = drawn(counts, seed, draws) if len(counts) > 1 else None
    several = counts.any(axis=2).sum(axis=0) > 1
    recalls = [
        None
        if np.isnan(value)
        else _interval(value, class_recalls(sampled)[:, label] if several[label] else None)
        for label, value in enumerate(class_recalls(whole))
    ]
    three = [
        _interval(measure(whole), None if sampled is None else measure(sampled))
        for measure in (accuracy, average_recall, macro_f1)
    ]
    return Intervals(*three, tuple(recalls))


def _interval(value: float, sampled: np.ndarray | None) -> Interval:
    known = [] if sampled is None else sampled[~np.isnan(sampled)]
    if len(known) == 0:
        return Interval(float(value), None, None)
    low, high = np.quantile(known, ends())
    return Interval(float(value), float(low), float(high))
