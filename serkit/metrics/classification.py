"""Accuracy, UAR, macro F1, and confusion matrices by seed, fold and speaker."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from serkit.errors import InputError


@dataclass(frozen=True)
class Scores:
    """Scores of a classifier on one set of clips.

    Attributes:
        accuracy: fraction of correctly classified clips, 0 to 1.
        uar: unweighted average recall: the mean recall of the classes that have clips.
        macro_f1: mean F1 over the classes that have clips or were predicted.
        recalls: recall of each class, in the order of the labels; None for a class without clips.
        confusion: ``confusion[i][j]`` is the number of clips of class ``i`` predicted as ``j``.

    Example:
        >>> from serkit import metrics
        >>> metrics.score([0, 0, 1, 1], [0, 1, 1, 1], class_count=2).recalls
        (0.5, 1.0)
    """

    accuracy: float
    uar: float
    macro_f1: float
    recalls: tuple[float | None, ...]
    confusion: tuple[tuple[int, ...], ...]


def score(truth: npt.ArrayLike, predicted: npt.ArrayLike, class_count: int) -> Scores:
    """Compute accuracy, UAR, macro F1, recalls and the confusion matrix of predictions.

    Args:
        truth: true class numbers, int ``(clips,)``, 0 to ``class_count`` - 1.
        predicted: predicted class numbers, in the same form.
        class_count: number of classes.

    Returns:
        The scores on these clips.

    Raises:
        InputError: if the lengths differ or are 0.

    Source: Schuller et al. (2009) for UAR. The values equal scikit-learn's ``accuracy_score``,
    ``balanced_accuracy_score`` and ``f1_score(average="macro")``.

    Example:
        >>> from serkit import metrics
        >>> scores = metrics.score([0, 0, 0, 1], [0, 0, 1, 1], class_count=2)
        >>> scores.accuracy, round(scores.uar, 3), scores.confusion
        (0.75, 0.833, ((2, 1), (0, 1)))
    """
    confusion = confusion_matrix(truth, predicted, class_count)
    return Scores(
        accuracy=float(accuracy(confusion)),
        uar=float(average_recall(confusion)),
        macro_f1=float(macro_f1(confusion)),
        recalls=tuple(
            None if np.isnan(recall) else float(recall) for recall in class_recalls(confusion)
        ),
        confusion=tuple(tuple(map(int, row)) for row in confusion),
    )


def confusion_matrix(
    truth: npt.ArrayLike, predicted: npt.ArrayLike, class_count: int
) -> npt.NDArray[Any]:
    """Count clips by true and predicted class.

    Args:
        truth: true class numbers, int ``(clips,)``, 0 to ``class_count`` - 1.
        predicted: predicted class numbers, in the same form.
        class_count: number of classes.

    Returns:
        Number of clips ``[true, predicted]``, int ``(class_count, class_count)``.

    Raises:
        InputError: if the lengths differ or are 0.

    Example:
        >>> from serkit import metrics
        >>> metrics.confusion_matrix([0, 0, 0, 1], [0, 0, 1, 1], class_count=2)
        array([[2, 1],
               [0, 1]])
    """
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    if truth.shape != predicted.shape or truth.size == 0:
        raise InputError(
            "`truth` and `predicted` must have the same length, at least 1. "
            f"Received: {truth.size} and {predicted.size}."
        )
    counts = np.zeros((class_count, class_count), dtype=np.int64)
    np.add.at(counts, (truth, predicted), 1)
    return counts


def accuracy(confusion: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Compute accuracy ``(…)`` of confusion matrices ``(…, classes, classes)``.

    No matrix may be empty.
    """
    return np.trace(confusion, axis1=-2, axis2=-1) / confusion.sum(axis=(-2, -1))


def average_recall(confusion: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Compute the UAR ``(…)`` of confusion matrices; classes without clips are ignored.

    :class:`serkit.training.uar.UnweightedAverageRecall` is the same measure as a Keras metric.
    """
    recalls = class_recalls(confusion)
    class_has_clips = ~np.isnan(recalls)
    recall_sum = np.where(class_has_clips, recalls, 0.0).sum(axis=-1)
    return recall_sum / np.maximum(class_has_clips.sum(axis=-1), 1)


def macro_f1(confusion: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Compute the mean F1 ``(…)`` over the classes that have clips or were predicted."""
    correct = np.diagonal(confusion, axis1=-2, axis2=-1)
    true_plus_predicted = confusion.sum(axis=-1) + confusion.sum(axis=-2)
    has_f1 = true_plus_predicted > 0
    f1 = np.divide(2.0 * correct, true_plus_predicted, out=np.zeros(correct.shape), where=has_f1)
    return f1.sum(axis=-1) / np.maximum(has_f1.sum(axis=-1), 1)


def class_recalls(confusion: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Compute recalls ``(…, classes)`` of confusion matrices; NaN for a class without clips."""
    correct = np.diagonal(confusion, axis1=-2, axis2=-1).astype(float)
    true_count = confusion.sum(axis=-1)
    no_recall = np.full(correct.shape, np.nan)
    return np.divide(correct, true_count, out=no_recall, where=true_count > 0)


@dataclass(frozen=True)
class ConfusionBySpeaker:
    """For each seed and each (fold, speaker) pair, one confusion matrix.

    A pair stands for the clips of one speaker in the test partition of one fold. If no speaker is
    tested in two folds, there is one pair per speaker.

    Attributes:
        counts: confusion matrices ``(seeds, pairs, classes, classes)``.
        fold_index: index of each pair's fold, int ``(pairs,)``. For each seed, one model predicted
            the clips of each fold.
        speaker_index: index of each pair's speaker, int ``(pairs,)``.

    Example:
        >>> from serkit import metrics
        >>> confusion = metrics.confusion_by_speaker(
        ...     truth=[0, 1, 0, 1],
        ...     predicted=[0, 1, 1, 1],
        ...     seeds=[0, 0, 0, 0],
        ...     folds=[1, 1, 1, 1],
        ...     speakers=["ann", "ann", "bob", "bob"],
        ...     class_count=2,
        ... )
        >>> confusion.pooled
        array([[1, 1],
               [0, 2]])
    """

    counts: npt.NDArray[Any]
    fold_index: npt.NDArray[Any]
    speaker_index: npt.NDArray[Any]

    @property
    def speaker_count(self) -> int:
        """Number of speakers."""
        return len(np.unique(self.speaker_index))

    @property
    def by_speaker(self) -> npt.NDArray[Any]:
        """Confusion matrices ``(speakers, classes, classes)``, summed over seeds and folds."""
        class_shape = self.counts.shape[2:]
        matrices = np.zeros((self.speaker_index.max() + 1, *class_shape), dtype=np.int64)
        np.add.at(matrices, self.speaker_index, self.counts.sum(axis=0))
        return matrices

    @property
    def pooled(self) -> npt.NDArray[Any]:
        """Confusion matrix ``(classes, classes)``, summed over seeds, folds and speakers."""
        return self.counts.sum(axis=(0, 1))


def confusion_by_speaker(
    truth: npt.ArrayLike,
    predicted: npt.ArrayLike,
    seeds: npt.ArrayLike,
    folds: npt.ArrayLike,
    speakers: npt.ArrayLike,
    class_count: int,
) -> ConfusionBySpeaker:
    """Count predictions by seed, fold, speaker and class.

    Args:
        truth: true class numbers, int ``(predictions,)``, 0 to ``class_count`` - 1.
        predicted: predicted class numbers, in the same form.
        seeds: seed of the training run that made each prediction.
        folds: fold whose test partition holds the clip of each prediction.
        speakers: speaker of each prediction's clip.
        class_count: number of classes.

    Returns:
        One confusion matrix for each seed and (fold, speaker) pair. Seeds, folds and speakers are
        numbered in sorted order.

    Raises:
        InputError: if the lengths differ or are 0, or the seeds have different numbers of
            predictions for a fold, speaker and true class.

    Example:
        >>> from serkit import metrics
        >>> confusion = metrics.confusion_by_speaker(
        ...     truth=[0, 1, 0, 1],
        ...     predicted=[0, 1, 1, 1],
        ...     seeds=[0, 0, 0, 0],
        ...     folds=[1, 1, 1, 1],
        ...     speakers=["ann", "ann", "bob", "bob"],
        ...     class_count=2,
        ... )
        >>> confusion.counts.shape, confusion.speaker_count
        ((1, 2, 2, 2), 2)
    """
    columns = [np.asarray(column) for column in (truth, predicted, seeds, folds, speakers)]
    lengths = [len(column) for column in columns]
    if len(set(lengths)) != 1 or lengths[0] == 0:
        raise InputError(
            "`truth`, `predicted`, `seeds`, `folds` and `speakers` must have the same length, "
            f"at least 1. Received: {', '.join(map(str, lengths))}."
        )
    truth, predicted, seeds, folds, speakers = columns
    seed_names, seed_index = np.unique(seeds, return_inverse=True)
    fold_names, fold_index = np.unique(folds, return_inverse=True)
    speaker_names, speaker_index = np.unique(speakers, return_inverse=True)
    # Columns of `pairs` are the (fold, speaker) pairs.
    pairs, pair_index = np.unique(
        np.stack([fold_index, speaker_index]), axis=1, return_inverse=True
    )
    shape = len(seed_names), pairs.shape[1], class_count, class_count
    counts = np.zeros(shape, dtype=np.int64)
    np.add.at(counts, (seed_index, pair_index.ravel(), truth, predicted), 1)
    true_counts = counts.sum(axis=3)
    mismatches = np.argwhere(true_counts != true_counts[0])
    if len(mismatches):
        seed, pair, true_class = mismatches[0]
        raise InputError(
            "`seeds` must each have the same number of predictions per fold, speaker and true "
            f"class. Received: for fold {fold_names[pairs[0, pair]]}, speaker "
            f"{speaker_names[pairs[1, pair]]} and class {true_class}, "
            f"{true_counts[0, pair, true_class]} with seed {seed_names[0]} and "
            f"{true_counts[seed, pair, true_class]} with seed {seed_names[seed]}."
        )
    return ConfusionBySpeaker(counts, fold_index=pairs[0], speaker_index=pairs[1])
