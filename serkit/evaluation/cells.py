"""Confusion matrices by seed, fold and speaker, and how they are drawn from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from serkit.errors import InputError, check_range
from serkit.seeds import derive_seed


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
