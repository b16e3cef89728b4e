"""Measures of one classifier with confidence intervals over speakers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

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
    """A measure with a 95 % confidence interval over speakers.

    Attributes:
        value: the measured value.
        low: lower end; None where too few speakers have clips for this measure.
        high: upper end; None where ``low`` is None.
    """

    value: float
    low: float | None
    high: float | None

    def __str__(self) -> str:
        """Format the interval in per cent, such as ``51.2 [47.0, 55.3]``."""
        value = f"{100 * self.value:.1f}"
        if self.low is None or self.high is None:
            return value
        return f"{value} [{100 * self.low:.1f}, {100 * self.high:.1f}]"


@dataclass(frozen=True)
class Intervals:
    """Measures of :class:`serkit.metrics.classification.Scores` with confidence intervals.

    Attributes:
        accuracy: fraction of correctly classified clips.
        uar: unweighted average recall.
        macro_f1: mean F1 over classes.
        recalls: recall of each class; None for a class without clips.
    """

    accuracy: Interval
    uar: Interval
    macro_f1: Interval
    recalls: tuple[Interval | None, ...]


def intervals(
    truth: npt.NDArray[Any],
    predicted: npt.NDArray[Any],
    speakers: Sequence[str],
    classes: int,
    *,
    seed: int,
    draws: int = 2000,
) -> Intervals:
    """Compute accuracy, UAR, macro F1 and recalls with 95 % confidence intervals over speakers.

    The bootstrap draws speakers, not clips, with replacement (a cluster bootstrap); see
    :func:`serkit.metrics.paired.estimate`. A clip may occur several times, with predictions of
    several training runs. All its predictions are drawn with its speaker. So more speakers make an
    interval narrower, but more training runs do not.

    Args:
        truth: true class numbers, int ``(clips,)``, 0 to ``classes`` - 1.
        predicted: predicted class numbers, in the same form.
        speakers: speaker of each clip.
        classes: number of classes.
        seed: seed of the draws.
        draws: number of bootstrap samples.

    Raises:
        InputError: if there are no clips, or lengths differ.

    Source: as for :func:`serkit.metrics.paired.difference`. Draws without clips of a class do not
    count for the recall of this class.
    """
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    for name, values in (("predicted", predicted), ("speakers", speakers)):
        if len(values) != len(truth):
            raise InputError(
                f"`{name}` must be one for each of {len(truth)} clips. Received: {len(values)}."
            )
    if not len(truth):
        raise InputError("`truth` must be of 1 or more clips. Received: 0.")
    same = np.zeros(len(truth))
    cells = tabulate(truth, predicted, same, same, speakers, classes)
    recalls = [
        _of(cells, lambda c, n=number: class_recalls(c)[..., n], seed, draws)
        if cells.pooled[number].any()
        else None
        for number in range(classes)
    ]
    return Intervals(
        accuracy=_of(cells, accuracy, seed, draws),
        uar=_of(cells, average_recall, seed, draws),
        macro_f1=_of(cells, macro_f1, seed, draws),
        recalls=tuple(recalls),
    )


def speaker_interval(
    measure: Callable[[npt.NDArray[Any]], float],
    speakers: Sequence[str],
    *,
    seed: int,
    draws: int = 500,
) -> Interval:
    """Compute any measure of clips with a 95 % confidence interval over speakers.

    Args:
        measure: function of clip indices, int ``(n,)``. An index may occur several times or not at
            all. It returns NaN where the measure is undefined for these clips.
        speakers: speaker of each clip.
        seed: seed of the draws.
        draws: number of bootstrap samples.

    Raises:
        InputError: if there are no clips.

    Source: as for :func:`serkit.metrics.paired.difference`.
    """
    if not len(speakers):
        raise InputError("`speakers` must be of 1 or more clips. Received: 0.")
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
    """Results on the clips with one value of an attribute.

    Attributes:
        attribute: name of the attribute, such as ``corpus``; ``all`` for all clips.
        value: value of the attribute, such as ``ravdess``; empty for all clips, or if unknown.
        clips: number of predictions. Several predictions of one clip each count.
        speakers: number of speakers.
        measures: measures with confidence intervals over these speakers.
        confusion: number of predictions ``[true][predicted]``.
    """

    attribute: str
    value: str
    clips: int
    speakers: int
    measures: Intervals
    confusion: tuple[tuple[int, ...], ...]

    def to_json(self) -> dict[str, Any]:
        """Return the group as JSON values."""
        return asdict(self)


def breakdown(
    truth: npt.NDArray[Any],
    predicted: npt.NDArray[Any],
    speakers: Sequence[str],
    classes: int,
    attributes: Mapping[str, Sequence[str]],
    *,
    seed: int,
    draws: int = 2000,
) -> list[Group]:
    """Compute measures of all clips, and of the clips with each value of each attribute.

    Args:
        truth: true class numbers, int ``(clips,)``, 0 to ``classes`` - 1.
        predicted: predicted class numbers, in the same form.
        speakers: speaker of each clip.
        classes: number of classes.
        attributes: the values of each attribute, such as ``corpus`` or ``gender``, one for each
            clip. An empty string is an unknown value.
        seed: seed of the bootstrap, see :func:`intervals`.
        draws: number of bootstrap samples.

    Returns:
        The group of all clips first. Then the groups of each attribute, with values in alphabetical
        order.

    Raises:
        InputError: if there are no clips, or lengths differ.
    """
    truth, predicted, names = map(np.asarray, (truth, predicted, speakers))
    chosen = {("all", ""): np.ones(len(truth), bool)}
    given = {"predicted": predicted, "speakers": names, **attributes}
    for what, values in given.items():
        if len(values) != len(truth):
            raise InputError(
                f"`{what}` must be one for each of {len(truth)} clips. Received: {len(values)}."
            )
    for name, values in attributes.items():
        for value in np.unique(values):
            chosen[name, str(value)] = np.asarray(values) == value
    groups = []
    for (name, value), some in chosen.items():
        mine = truth[some], predicted[some]
        groups.append(
            Group(
                attribute=name,
                value=value,
                clips=int(some.sum()),
                speakers=len(np.unique(names[some])),
                measures=intervals(*mine, names[some].tolist(), classes, seed=seed, draws=draws),
                confusion=tuple(tuple(map(int, row)) for row in confusion_matrix(*mine, classes)),
            )
        )
    return groups


def measure_cells(groups: Sequence[Group]) -> tuple[list[str], list[list[str]]]:
    """Return head and rows of a table with UAR, accuracy and macro F1 of each group in per cent."""
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
    """Return head and rows of a table with each group's recall of each class in per cent."""
    rows = [
        [_name(group), *("" if r is None else str(r) for r in group.measures.recalls)]
        for group in groups
    ]
    return ["recall", *classes], rows


def confusion_cells(group: Group, classes: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Return head and rows of a confusion table, each row in per cent of the class's clips."""
    rows = []
    for label, row in zip(classes, group.confusion, strict=True):
        total = max(sum(row), 1)
        rows.append([label, *(f"{100 * count / total:.0f}" for count in row)])
    return ["true, called", *classes], rows


def _name(group: Group) -> str:
    if group.attribute == "all":
        return group.attribute
    return f"{group.attribute}: {group.value or 'unknown'}"
