"""How good a classifier is on all clips, and on those of each corpus and each gender."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from serkit.errors import InputError
from serkit.evaluation.intervals import Intervals, intervals
from serkit.evaluation.metrics import confusion_matrix


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
        seed: of the bootstrap, see :func:`serkit.evaluation.intervals.intervals`.
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
