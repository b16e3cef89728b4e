"""Scores of one classifier with confidence intervals, for groups of clips."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from serkit.errors import InputError
from serkit.metrics.bootstrap import Interval, Measure, estimate
from serkit.metrics.classification import (
    ConfusionBySpeaker,
    accuracy,
    average_recall,
    class_recalls,
    confusion_by_speaker,
    confusion_matrix,
    macro_f1,
)


@dataclass(frozen=True)
class ScoreIntervals:
    """Measures of :class:`serkit.metrics.classification.Scores` with confidence intervals.

    Attributes:
        accuracy: fraction of correct predictions.
        uar: unweighted average recall.
        macro_f1: mean F1 over classes.
        recalls: recall of each class; None for a class without clips.
    """

    accuracy: Interval
    uar: Interval
    macro_f1: Interval
    recalls: tuple[Interval | None, ...]


def score_intervals(
    truth: npt.NDArray[Any],
    predicted: npt.NDArray[Any],
    speakers: Sequence[str],
    class_count: int,
    *,
    seed: int,
    n_resamples: int = 2000,
) -> ScoreIntervals:
    """Compute accuracy, UAR, macro F1 and recalls with 95 % confidence intervals over speakers.

    The bootstrap draws speakers, not predictions, with replacement (a cluster bootstrap); see
    :func:`serkit.metrics.bootstrap.estimate`. A clip may have several predictions, by several
    training runs. All predictions of a speaker's clips are drawn together. So more speakers make an
    interval narrower, but more training runs do not.

    Args:
        truth: true class numbers, int ``(predictions,)``, 0 to ``class_count`` - 1.
        predicted: predicted class numbers, in the same form.
        speakers: speaker of each prediction's clip.
        class_count: number of classes.
        seed: seed of the random numbers.
        n_resamples: number of bootstrap samples.

    Raises:
        InputError: if the lengths differ or are 0.

    Source: as for :func:`serkit.metrics.paired.difference`. The recall of a class uses only the
    bootstrap samples that have clips of this class.
    """
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    _check_lengths(len(truth), {"predicted": predicted, "speakers": speakers})
    if not len(truth):
        raise InputError("`truth` must hold 1 or more predictions. Received: 0.")
    # Only speakers are resampled, so all training runs and folds count as one.
    one_group = np.zeros(len(truth))
    confusion = confusion_by_speaker(
        truth=truth,
        predicted=predicted,
        seeds=one_group,
        folds=one_group,
        speakers=speakers,
        class_count=class_count,
    )
    recalls: list[Interval | None] = [None] * class_count
    for class_number in range(class_count):
        if confusion.pooled[class_number].any():
            measure = _recall_of_class(class_number)
            recalls[class_number] = _interval(confusion, measure, seed, n_resamples)
    return ScoreIntervals(
        accuracy=_interval(confusion, accuracy, seed, n_resamples),
        uar=_interval(confusion, average_recall, seed, n_resamples),
        macro_f1=_interval(confusion, macro_f1, seed, n_resamples),
        recalls=tuple(recalls),
    )


def _check_lengths(
    n_predictions: int, arguments: Mapping[str, Sequence[Any] | npt.NDArray[Any]]
) -> None:
    for name, values in arguments.items():
        if len(values) != n_predictions:
            raise InputError(
                f"`{name}` must have one value for each of {n_predictions} predictions. "
                f"Received: {len(values)}."
            )


def _recall_of_class(class_number: int) -> Measure:
    return lambda confusion: class_recalls(confusion)[..., class_number]


def _interval(
    confusion: ConfusionBySpeaker, measure: Measure, seed: int, n_resamples: int
) -> Interval:
    result = estimate(confusion, measure, seed=seed, n_resamples=n_resamples)
    return Interval(result.value, result.low, result.high)


@dataclass(frozen=True)
class Group:
    """Results on the predictions with one value of an attribute.

    Attributes:
        attribute: name of the attribute, such as ``corpus``; ``all`` for all predictions.
        value: value of the attribute, such as ``ravdess``; empty for all predictions, or if
            unknown.
        clips: number of predictions. Several predictions of one clip each count.
        speakers: number of speakers.
        measures: measures with confidence intervals over these speakers.
        confusion: ``confusion[i][j]`` is the number of predictions of class ``j`` for clips of
            class ``i``.
    """

    attribute: str
    value: str
    clips: int
    speakers: int
    measures: ScoreIntervals
    confusion: tuple[tuple[int, ...], ...]

    def to_json(self) -> dict[str, Any]:
        """Return the group as JSON values."""
        return asdict(self)


def breakdown(
    truth: npt.NDArray[Any],
    predicted: npt.NDArray[Any],
    speakers: Sequence[str],
    class_count: int,
    attributes: Mapping[str, Sequence[str]],
    *,
    seed: int,
    n_resamples: int = 2000,
) -> list[Group]:
    """Compute measures of all predictions, and of those with each value of each attribute.

    Args:
        truth: true class numbers, int ``(predictions,)``, 0 to ``class_count`` - 1.
        predicted: predicted class numbers, in the same form.
        speakers: speaker of each prediction's clip.
        class_count: number of classes.
        attributes: for each attribute, such as ``corpus`` or ``gender``, one value per prediction.
            An empty string is an unknown value.
        seed: seed of the bootstrap, see :func:`score_intervals`.
        n_resamples: number of bootstrap samples.

    Returns:
        The group of all predictions first. Then the groups of each attribute, with values in
        alphabetical order.

    Raises:
        InputError: if the lengths differ or are 0.
    """
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    speaker_names = np.asarray(speakers)
    _check_lengths(len(truth), {"predicted": predicted, "speakers": speaker_names, **attributes})
    masks = {("all", ""): np.ones(len(truth), bool)}
    for attribute, values in attributes.items():
        for value in np.unique(values):
            masks[attribute, str(value)] = np.asarray(values) == value
    groups = []
    for (attribute, value), mask in masks.items():
        confusion = confusion_matrix(truth[mask], predicted[mask], class_count)
        groups.append(
            Group(
                attribute=attribute,
                value=value,
                clips=int(mask.sum()),
                speakers=len(np.unique(speaker_names[mask])),
                measures=score_intervals(
                    truth[mask],
                    predicted[mask],
                    speaker_names[mask].tolist(),
                    class_count,
                    seed=seed,
                    n_resamples=n_resamples,
                ),
                confusion=tuple(tuple(map(int, row)) for row in confusion),
            )
        )
    return groups
