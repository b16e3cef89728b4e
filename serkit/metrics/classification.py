"""Accuracy, UAR, macro F1, and confusion matrices by seed, fold and speaker."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from serkit.errors import InputError, check_range
from serkit.seeds import derive_seed


@dataclass(frozen=True)
class Scores:
    """Scores of a classifier on one set of clips.

    Attributes:
        accuracy: fraction of correctly classified clips, 0 to 1.
        uar: unweighted average recall: the mean recall of the classes that have clips.
        macro_f1: mean F1 over the classes that have clips or were predicted.
        recalls: recall of each class, in the order of the labels; None for a class without clips.
        confusion: number of clips ``[true][predicted]``.

    Example:
        >>> from serkit import metrics
        >>> metrics.score([0, 0, 1, 1], [0, 1, 1, 1], classes=2).recalls
        (0.5, 1.0)
    """

    accuracy: float
    uar: float
    macro_f1: float
    recalls: tuple[float | None, ...]
    confusion: tuple[tuple[int, ...], ...]


def score(truth: npt.ArrayLike, predicted: npt.ArrayLike, classes: int) -> Scores:
    """Compute accuracy, UAR, macro F1, recalls and the confusion matrix of predictions.

    Args:
        truth: true class numbers, int ``(clips,)``, 0 to ``classes`` - 1.
        predicted: predicted class numbers, in the same form.
        classes: number of classes.

    Returns:
        The scores on these clips.

    Raises:
        InputError: if there are no clips or the lengths differ.

    Source: Schuller et al. (2009) for UAR. The values equal scikit-learn's ``accuracy_score``,
    ``balanced_accuracy_score`` and ``f1_score(average="macro")``.

    Example:
        >>> from serkit import metrics
        >>> found = metrics.score([0, 0, 0, 1], [0, 0, 1, 1], classes=2)
        >>> found.accuracy, round(found.uar, 3), found.confusion
        (0.75, 0.833, ((2, 1), (0, 1)))
    """
    confusion = confusion_matrix(truth, predicted, classes)
    return Scores(
        accuracy=float(accuracy(confusion)),
        uar=float(average_recall(confusion)),
        macro_f1=float(macro_f1(confusion)),
        recalls=tuple(None if np.isnan(r) else float(r) for r in class_recalls(confusion)),
        confusion=tuple(tuple(map(int, row)) for row in confusion),
    )


def confusion_matrix(
    truth: npt.ArrayLike, predicted: npt.ArrayLike, classes: int
) -> npt.NDArray[Any]:
    """Count clips by true and predicted class.

    Args:
        truth: true class numbers, int ``(clips,)``, 0 to ``classes`` - 1.
        predicted: predicted class numbers, in the same form.
        classes: number of classes.

    Returns:
        Number of clips ``[true, predicted]``, int ``(classes, classes)``.

    Raises:
        InputError: if there are no clips or the lengths differ.

    Example:
        >>> from serkit import metrics
        >>> metrics.confusion_matrix([0, 0, 0, 1], [0, 0, 1, 1], classes=2)
        array([[2, 1],
               [0, 1]])
    """
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    if truth.shape != predicted.shape or truth.size == 0:
        raise InputError(
            "`truth` and `predicted` must be of the same clips, one or more. "
            f"Received: {truth.size} and {predicted.size} clips."
        )
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (truth, predicted), 1)
    return counts


def accuracy(confusion: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Accuracy ``(…)`` of confusion matrices ``(…, classes, classes)``, each with clips."""
    return np.trace(confusion, axis1=-2, axis2=-1) / confusion.sum(axis=(-2, -1))


def average_recall(confusion: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """UAR of confusion matrices ``(…, classes, classes)``; classes without clips are ignored."""
    recalls = class_recalls(confusion)
    occurs = ~np.isnan(recalls)
    return np.where(occurs, recalls, 0.0).sum(axis=-1) / np.maximum(occurs.sum(axis=-1), 1)


def macro_f1(confusion: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Mean F1 of confusion matrices over the classes that have clips or were predicted."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    both = confusion.sum(axis=-1) + confusion.sum(axis=-2)
    f1 = np.divide(2.0 * hits, both, out=np.zeros(hits.shape), where=both > 0)
    return f1.sum(axis=-1) / np.maximum((both > 0).sum(axis=-1), 1)


def class_recalls(confusion: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Recalls ``(…, classes)`` of confusion matrices; NaN for a class without clips."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1).astype(float)
    seen = confusion.sum(axis=-1)
    return np.divide(hits, seen, out=np.full(hits.shape, np.nan), where=seen > 0)


@dataclass(frozen=True)
class Cells:
    """Confusion matrices of several training runs by seed, fold and speaker.

    A cell holds the clips of one speaker in the test partition of one fold. Where folds share no
    speaker, there is one cell per speaker.

    Attributes:
        counts: confusion matrices ``(seeds, cells, classes, classes)``.
        folds: fold number of each cell, int ``(cells,)``. One training run per seed predicted the
            clips of a fold.
        speakers: speaker number of each cell, int ``(cells,)``.

    Example:
        >>> from serkit import metrics
        >>> truth, predicted = [0, 1, 0, 1], [0, 1, 1, 1]
        >>> speakers = ["ann", "ann", "bob", "bob"]
        >>> cells = metrics.tabulate(truth, predicted, [0] * 4, [1] * 4, speakers, classes=2)
        >>> cells.pooled
        array([[1, 1],
               [0, 2]])
    """

    counts: npt.NDArray[Any]
    folds: npt.NDArray[Any]
    speakers: npt.NDArray[Any]

    @property
    def speaker_count(self) -> int:
        """Number of speakers."""
        return len(np.unique(self.speakers))

    @property
    def by_speaker(self) -> npt.NDArray[Any]:
        """Confusion matrices ``(speakers, classes, classes)``, summed over seeds and folds."""
        found = np.zeros((self.speakers.max() + 1, *self.counts.shape[2:]), dtype=np.int64)
        np.add.at(found, self.speakers, self.counts.sum(axis=0))
        return found

    @property
    def pooled(self) -> npt.NDArray[Any]:
        """Confusion matrix ``(classes, classes)``, summed over seeds and cells."""
        return self.counts.sum(axis=(0, 1))


def tabulate(
    truth: npt.ArrayLike,
    predicted: npt.ArrayLike,
    seeds: npt.ArrayLike,
    folds: npt.ArrayLike,
    speakers: npt.ArrayLike,
    classes: int,
) -> Cells:
    """Count predictions by seed, fold, speaker and class.

    Args:
        truth: true class numbers ``(predictions,)``.
        predicted: predicted class numbers ``(predictions,)``.
        seeds: seed of the training run that made each prediction.
        folds: fold whose test partition holds the clip of each prediction.
        speakers: speaker of each prediction's clip.
        classes: number of classes.

    Returns:
        The counts. Seeds, folds and speakers are numbered in the order of their names.

    Raises:
        InputError: if there are no predictions, lengths differ, or the seeds have not predicted the
            same clips.

    Example:
        >>> from serkit import metrics
        >>> truth, predicted = [0, 1, 0, 1], [0, 1, 1, 1]
        >>> speakers = ["ann", "ann", "bob", "bob"]
        >>> cells = metrics.tabulate(truth, predicted, [0] * 4, [1] * 4, speakers, classes=2)
        >>> cells.counts.shape, cells.speaker_count
        ((1, 2, 2, 2), 2)
    """
    given = [np.asarray(each) for each in (truth, predicted, seeds, folds, speakers)]
    if len({len(each) for each in given}) != 1 or not len(given[0]):
        lengths = ", ".join(str(len(each)) for each in given)
        raise InputError(
            "`truth`, `predicted`, `seeds`, `folds` and `speakers` must be as long as each other. "
            f"Received: {lengths}."
        )
    numbered = [np.unique(each, return_inverse=True)[1] for each in given[2:]]
    cells, place = np.unique(np.stack(numbered[1:]), axis=1, return_inverse=True)
    place = place.ravel()
    shape = numbered[0].max() + 1, cells.shape[1], classes, classes
    counts = np.zeros(shape, dtype=np.int64)
    np.add.at(counts, (numbered[0], place, given[0], given[1]), 1)
    if len(np.unique(counts.sum(axis=3), axis=0)) > 1:
        raise InputError(
            "`seeds` must have predicted the same clips each. Received: different ones."
        )

    return Cells(counts, cells[0], cells[1])


def drawn_speakers(cells: Cells, seed: int, draws: int) -> npt.NDArray[Any]:
    """Draw bootstrap samples of speakers; return confusion matrices ``(draws, classes, classes)``.

    Each sample has as many speakers as ``cells``, drawn with replacement. A speaker is drawn with
    all its cells and the predictions of all seeds, because errors on clips of one speaker are
    correlated.

    Args:
        cells: confusion matrices of the speakers to draw from.
        seed: seed of the draws.
        draws: number of bootstrap samples, 1 or more.
    """
    check_range("draws", draws, 1)
    rng = np.random.default_rng(derive_seed(seed, "cells"))
    counts = cells.by_speaker
    often = rng.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), size=draws)
    return np.tensordot(often, counts, axes=1)
