"""Measures of one classifier with confidence intervals over speakers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from serkit.errors import InputError
from serkit.metrics.classification import (
    Cells,
    accuracy,
    average_recall,
    class_recalls,
    confusion_matrix,
    macro_f1,
    tabulate,
)
from serkit.metrics.paired import FEWEST, Measure, ends, estimate


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
    """What :class:`serkit.metrics.classification.Scores` holds, with intervals.

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
    :func:`serkit.metrics.paired.estimate`. A clip may be there several times, predicted by
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

    Source: as for :func:`serkit.metrics.paired.difference`. Draws in which a class has no clips
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

    Source: as for :func:`serkit.metrics.paired.difference`.
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


@dataclass(frozen=True)
class Group:
    """Some clips, and how they were classified.

    Attributes:
        attribute: what they have in common, such as ``corpus``; ``all`` for all clips.
        value: of the attribute, such as ``ravdess``; empty for all clips, or if it is not known.
        clips: how many predictions there are; several of a clip count each.
        speakers: how many speakers.
        measures: with intervals over these speakers.
        confusion: clips ``[true][predicted]``.
    """

    attribute: str
    value: str
    clips: int
    speakers: int
    measures: Intervals
    confusion: tuple[tuple[int, ...], ...]

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def breakdown(
    truth: np.ndarray,
    predicted: np.ndarray,
    speakers: Sequence[str],
    classes: int,
    attributes: Mapping[str, Sequence[str]],
    *,
    seed: int,
    draws: int = 2000,
) -> list[Group]:
    """Measures of all clips, then of those with each value of each attribute.

    Args:
        truth: integers ``(clips,)``, 0 to ``classes`` - 1.
        predicted: the same.
        speakers: of each clip.
        classes: number of classes.
        attributes: by name, such as ``corpus`` or ``gender``, the value of each clip; empty if it
            is not known.
        seed: of the bootstrap, see :func:`intervals`.
        draws: number of bootstrap samples.

    Returns:
        All clips first; then attribute by attribute, values in alphabetical order.

    Raises:
        InputError: if there are no clips, or lengths differ.
    """
    truth, predicted, speakers = map(np.asarray, (truth, predicted, speakers))
    chosen = {("all", ""): np.ones(len(truth), bool)}
    given = {"predictions": predicted, "speakers": speakers}
    given |= {f"values of {name}": values for name, values in attributes.items()}
    for what, values in given.items():
        if len(values) != len(truth):
            raise InputError(f"{len(values)} {what} for {len(truth)} clips; valid is one for each")
    for name, values in attributes.items():
        for value in np.unique(values):
            chosen[name, str(value)] = np.asarray(values) == value
    groups = []
    for (name, value), some in chosen.items():
        mine = truth[some], predicted[some]
        groups.append(
            Group(
                *(name, value, int(some.sum()), len(np.unique(speakers[some]))),
                intervals(*mine, speakers[some], classes, seed=seed, draws=draws),
                tuple(tuple(map(int, row)) for row in confusion_matrix(*mine, classes)),
            )
        )
    return groups


def measure_cells(groups: Sequence[Group]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of a table: accuracy, UAR and macro F1 of each group, in per cent."""
    head = ["", "speakers", "predictions", "UAR", "accuracy", "macro F1"]
    rows = [
        [
            *(_name(group), str(group.speakers), str(group.clips)),
            *map(str, (group.measures.uar, group.measures.accuracy, group.measures.macro_f1)),
        ]
        for group in groups
    ]
    return head, rows


def recall_cells(
    groups: Sequence[Group], classes: Sequence[str]
) -> tuple[list[str], list[list[str]]]:
    """Head and rows of a table: each group's recall of each class, in per cent."""
    rows = [
        [_name(group), *("" if r is None else str(r) for r in group.measures.recalls)]
        for group in groups
    ]
    return ["recall", *classes], rows


def confusion_cells(group: Group, classes: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of a table: what each class was taken for, in per cent of its clips."""
    rows = []
    for label, row in zip(classes, group.confusion, strict=True):
        total = max(sum(row), 1)
        rows.append([label, *(f"{100 * count / total:.0f}" for count in row)])
    return ["true, called", *classes], rows


def _name(group: Group) -> str:
    if group.attribute == "all":
        return group.attribute
    return f"{group.attribute}: {group.value or 'unknown'}"
