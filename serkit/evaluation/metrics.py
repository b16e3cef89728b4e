"""Accuracy, unweighted average recall, macro F1 and the confusion matrix."""

from dataclasses import dataclass

import numpy as np

from serkit.errors import InputError


@dataclass(frozen=True)
class Scores:
    """What a classifier did on one set of clips.

    Attributes:
        accuracy: share of clips that were right, 0 to 1.
        uar: unweighted average recall, the mean of the recalls of classes that have clips.
        macro_f1: mean F1 over the classes that have clips or were predicted.
        recalls: per class in the order of the labels; None for a class without clips.
        confusion: clips ``[true][predicted]``.
    """

    accuracy: float
    uar: float
    macro_f1: float
    recalls: tuple[float | None, ...]
    confusion: tuple[tuple[int, ...], ...]


def score(truth: np.ndarray, predicted: np.ndarray, classes: int) -> Scores:
    """Score predictions.

    Args:
        truth: integers ``(clips,)``, 0 to ``classes`` - 1.
        predicted: the same.
        classes: number of classes.

    Raises:
        InputError: if there are no clips or the lengths differ.

    Source: Schuller et al. (2009) for UAR; equal to scikit-learn's ``accuracy_score``,
    ``balanced_accuracy_score`` and ``f1_score(average="macro")``.
    """
    confusion = confusion_matrix(truth, predicted, classes)
    return Scores(
        accuracy=float(accuracy(confusion)),
        uar=float(average_recall(confusion)),
        macro_f1=float(macro_f1(confusion)),
        recalls=tuple(None if np.isnan(r) else float(r) for r in class_recalls(confusion)),
        confusion=tuple(tuple(map(int, row)) for row in confusion),
    )


def confusion_matrix(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Number of clips ``(true, predicted)``; arguments and errors as for :func:`score`."""
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    if truth.shape != predicted.shape or truth.size == 0:
        raise InputError(
            f"truth has {truth.size} and predicted {predicted.size} clips; "
            "valid are equal numbers above 0"
        )
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (truth, predicted), 1)
    return counts


def accuracy(confusion: np.ndarray) -> np.ndarray:
    """Share that was right in confusion matrices ``(…, classes, classes)``, each with clips."""
    return np.trace(confusion, axis1=-2, axis2=-1) / confusion.sum(axis=(-2, -1))


def average_recall(confusion: np.ndarray) -> np.ndarray:
    """UAR of confusion matrices ``(…, classes, classes)``; classes without clips do not count."""
    recalls = class_recalls(confusion)
    occurs = ~np.isnan(recalls)
    return np.where(occurs, recalls, 0.0).sum(axis=-1) / np.maximum(occurs.sum(axis=-1), 1)


def macro_f1(confusion: np.ndarray) -> np.ndarray:
    """Mean F1 of confusion matrices over the classes that have clips or were predicted."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    both = confusion.sum(axis=-1) + confusion.sum(axis=-2)
    f1 = np.divide(2.0 * hits, both, out=np.zeros(hits.shape), where=both > 0)
    return f1.sum(axis=-1) / np.maximum((both > 0).sum(axis=-1), 1)


def class_recalls(confusion: np.ndarray) -> np.ndarray:
    """Recalls ``(…, classes)`` in confusion matrices; NaN for a class without clips."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1).astype(float)
    seen = confusion.sum(axis=-1)
    return np.divide(hits, seen, out=np.full(hits.shape, np.nan), where=seen > 0)
