"""Accuracy, UAR, macro F1, and confusion matrices by seed, fold and speaker."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from serkit.errors import InputError, check_range
from serkit.seeds import derive_seed


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


@dataclass(frozen=True)
class Cells:
    """What several trainings made of the clips of several speakers.

    A cell is the clips of one speaker in the test part of one fold. Where folds share no speaker,
    there is one for each speaker.

    Attributes:
        counts: confusion matrices ``(seeds, cells, classes, classes)``, of each training seed.
        folds: number of the fold of each cell, int ``(cells,)``: its clips were predicted by one
            training for each seed.
        speakers: number of the speaker of each cell, int ``(cells,)``.
    """

    counts: np.ndarray
    folds: np.ndarray
    speakers: np.ndarray

    @property
    def speaker_count(self) -> int:
        """How many speakers there are."""
        return len(np.unique(self.speakers))

    @property
    def by_speaker(self) -> np.ndarray:
        """Confusion matrices ``(speakers, classes, classes)``, of all seeds and folds."""
        found = np.zeros((self.speakers.max() + 1, *self.counts.shape[2:]), dtype=np.int64)
        np.add.at(found, self.speakers, self.counts.sum(axis=0))
        return found

    @property
    def pooled(self) -> np.ndarray:
        """One confusion matrix ``(classes, classes)`` of everything."""
        return self.counts.sum(axis=(0, 1))


def tabulate(
    truth: np.ndarray,
    predicted: np.ndarray,
    seeds: Sequence,
    folds: Sequence,
    speakers: Sequence,
    classes: int,
) -> Cells:
    """Count predictions.

    Args:
        truth: class numbers ``(predictions,)``.
        predicted: the same.
        seeds: of the training that each is by.
        folds: in whose test part each is.
        speakers: of each.
        classes: number of classes.

    Returns:
        Seeds, folds and speakers are numbered in the order of their names.

    Raises:
        InputError: if there are none, lengths differ, or not every seed has predicted every cell.
    """
    given = [np.asarray(each) for each in (truth, predicted, seeds, folds, speakers)]
    if len({len(each) for each in given}) != 1 or not len(given[0]):
        lengths = ", ".join(str(len(each)) for each in given)
        raise InputError(f"columns of {lengths} predictions; valid are equal lengths above 0")
    truth, predicted, seeds, folds, speakers = given
    numbered = [np.unique(each, return_inverse=True)[1] for each in (seeds, folds, speakers)]
    cells, place = np.unique(np.stack(numbered[1:]), axis=1, return_inverse=True)
    place = place.ravel()
    shape = numbered[0].max() + 1, cells.shape[1], classes, classes
    counts = np.zeros(shape, dtype=np.int64)
    np.add.at(counts, (numbered[0], place, truth, predicted), 1)
    if len(np.unique(counts.sum(axis=3), axis=0)) > 1:
        raise InputError("seeds have predicted different clips; valid is the same ones by each")

    return Cells(counts, cells[0], cells[1])


def drawn_speakers(cells: Cells, seed: int, draws: int) -> np.ndarray:
    """Confusion matrices ``(draws, classes, classes)`` of as many speakers drawn at random.

    They are drawn with replacement, each with all its cells and what every seed made of them: clips
    of a speaker are right or wrong together.

    Args:
        cells: what is drawn from.
        seed: of the draws.
        draws: how many, 1 or more.
    """
    check_range("draws", draws, 1)
    rng = np.random.default_rng(derive_seed(seed, "cells"))
    counts = cells.by_speaker
    often = rng.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), size=draws)
    return np.tensordot(often, counts, axes=1)
