"""Folds by scikit-learn, as a start for something better."""

import itertools
import warnings
from collections.abc import Iterator, Sequence

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from serkit.corpora.corpus import Corpus
from serkit.errors import InputError

_RANDOM_STARTS = 4
_FEW_FOLDS, _ORDERS = 6, 720


def count_clips(
    corpus: Corpus, attribute: str, values: Sequence[str], label_set: str
) -> np.ndarray:
    """Clips per value of an attribute and class, int ``(values, classes)``."""
    rows = {name: number for number, name in enumerate(values)}
    columns = {name: number for number, name in enumerate(corpus.classes(label_set))}
    counts = np.zeros((len(rows), len(columns)), int)
    for clip in corpus.clips:
        counts[rows[getattr(clip, attribute)], columns[clip.label(label_set)]] += 1
    return counts


def start_folds(
    corpus: Corpus, label_set: str, speakers: Sequence[str], folds: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """The fold of each speaker ``(speakers,)``: scikit-learn's, then some at random.

    Raises:
        InputError: if every class has fewer clips than there are folds.
    """
    kfold = StratifiedGroupKFold(folds, shuffle=True, random_state=int(rng.integers(1 << 31)))
    numbers = fold_numbers(kfold, corpus.labels(label_set), [clip.speaker for clip in corpus.clips])
    of = dict(zip((clip.speaker for clip in corpus.clips), numbers, strict=True))
    yield np.array([of[speaker] for speaker in speakers])
    for _ in range(_RANDOM_STARTS):
        yield rng.permutation(np.arange(len(speakers)) % folds)


def fold_numbers(kfold, labels: Sequence[str], groups: Sequence[str] | None) -> np.ndarray:
    """The fold ``(clips,)`` in which a scikit-learn splitter tests each clip.

    Raises:
        InputError: if the splitter refuses the clips.
    """
    numbers = np.zeros(len(labels), int)
    with warnings.catch_warnings():
        # That a class has fewer clips than there are folds is for the caller to judge.
        warnings.filterwarnings("ignore", message="The least populated class")
        try:
            for number, (_, tested) in enumerate(kfold.split(labels, labels, groups)):
                numbers[tested] = number
        except ValueError as error:
            raise InputError(f"these clips cannot be split into folds: {error}") from error
    return numbers


def order_folds(counts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """New numbers for folds ``(folds,)``: neighbours, which are held out together, share no class.

    Otherwise a class of two speakers could be missing in training for no need.

    Args:
        counts: clips ``(folds, classes)``.
        rng: decides between equally good orders.
    """
    folds = len(counts)
    if folds <= _FEW_FOLDS:
        orders = rng.permutation(list(itertools.permutations(range(folds))))
    else:
        orders = np.stack([rng.permutation(folds) for _ in range(_ORDERS)])
    ordered = counts[orders]
    trained = counts.sum(axis=0) - ordered - np.roll(ordered, -1, axis=1)
    best = orders[np.argmin((trained == 0).sum(axis=(1, 2)))]
    return np.argsort(best)
