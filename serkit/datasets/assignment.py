"""Assign groups of clips (by speaker or sentence) to partitions with even classes."""

import itertools
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import BaseCrossValidator, StratifiedGroupKFold

from serkit.datasets.corpus import Clip, Corpus
from serkit.datasets.splits import Split
from serkit.errors import InputError
from serkit.formatting import counted
from serkit.seeds import derive_seed

_FEW = 20_000
_GAIN = 1e-12
# Limits for large corpora. A group is swapped with at most `_PARTNERS` other groups, drawn anew for
# each group. With more than `_PARTNERS` groups the search stops after a round that lowers the cost
# by less than 10 %: with so many groups the classes are even without an exhaustive search.
_PARTNERS, _WORTH_A_ROUND = 250, 0.9


def assign(
    counts: npt.NDArray[Any],
    fractions: npt.NDArray[Any],
    ranks: npt.NDArray[Any],
    starts: npt.NDArray[Any],
    seed: int,
) -> npt.NDArray[Any]:
    """Assign groups to partitions so that each partition has about its fraction of each class.

    With up to 20,000 possible assignments, try all of them and take the best one. With more,
    improve each start by local search until neither moving one group nor swapping two groups
    lowers :func:`cost`, and take the best result. With more than 250 groups not every swap is
    tried.

    Args:
        counts: number of clips ``(groups, classes)``.
        fractions: target fraction of clips of each partition ``(parts,)``; the fractions sum to 1.
        ranks: priority of each partition to contain every class ``(parts,)``, small integers. One
            class missing in a partition costs more than any number of classes missing in
            partitions of lower rank.
        starts: initial partition of each group ``(starts, groups)``.
        seed: seed of the order of attempts, which decides between equally good results.

    Returns:
        The partition of each group, int ``(groups,)``.
    """
    counts = counts[:, counts.sum(axis=0) > 0].astype(float)
    rng = np.random.default_rng(seed)
    groups, parts = len(counts), len(fractions)
    if parts**groups <= _FEW:
        every = np.array(list(itertools.product(range(parts), repeat=groups)))
        every = every[rng.permutation(len(every))]
        return every[np.argmin(np.round(cost(counts, fractions, ranks, every), 9))]
    found = [_improve(counts, fractions, ranks, start.copy(), rng) for start in starts]
    return min(found, key=lambda parts_of: cost(counts, fractions, ranks, parts_of[None])[0])


def cost(
    counts: npt.NDArray[Any],
    fractions: npt.NDArray[Any],
    ranks: npt.NDArray[Any],
    assignments: npt.NDArray[Any],
) -> npt.NDArray[Any]:
    """Compute the cost of each assignment; see :func:`assign` for the arguments.

    Empty partitions cost most. Classes missing in a partition cost less, by the partition's rank.
    The smallest terms are squared differences from the target fractions: those of each
    partition's fraction of each class, and those of its fraction of all clips.

    Args:
        counts: number of clips ``(groups, classes)``.
        fractions: target fraction of each partition ``(parts,)``.
        ranks: rank of each partition ``(parts,)``.
        assignments: partition of each group ``(n, groups)``.

    Returns:
        Costs ``(n,)``.
    """
    sums = np.stack(
        [(assignments == part).astype(float) @ counts for part in range(len(fractions))], axis=1
    )
    return _cost_of(sums, fractions, ranks)


def _cost_of(
    sums: npt.NDArray[Any], fractions: npt.NDArray[Any], ranks: npt.NDArray[Any]
) -> npt.NDArray[Any]:
    """Compute :func:`cost` from the clips ``(…, parts, classes)`` in each partition."""
    parts, classes = sums.shape[-2:]
    totals = sums.sum(axis=-2, keepdims=True)
    per_class = np.square(sums / totals - fractions[:, None]).sum(axis=(-2, -1))
    sizes = sums.sum(axis=-1)
    overall = np.square(sizes / sizes.sum(axis=-1, keepdims=True) - fractions).sum(axis=-1)
    # One missing class costs more than any imbalance and than all missing classes of lower rank.
    weights = 4.0 * parts * classes * (parts * classes + 1.0) ** ranks
    missing = ((sums == 0).sum(axis=-1) * weights).sum(axis=-1)
    empty = (sizes == 0).sum(axis=-1) * weights.max() * (parts * classes + 1)
    return per_class + classes * overall + missing + empty


def _improve(
    counts: npt.NDArray[Any],
    fractions: npt.NDArray[Any],
    ranks: npt.NDArray[Any],
    part_of: npt.NDArray[Any],
    rng: np.random.Generator,
) -> npt.NDArray[Any]:
    parts = np.arange(len(fractions))
    sums = np.stack([counts[part_of == part].sum(axis=0) for part in parts])
    best = float(_cost_of(sums, fractions, ranks))
    improved = True
    while improved:
        improved, before = False, best
        for group in rng.permutation(len(counts)):
            here = part_of[group]
            # Candidates: move the group to another partition, or swap it with a group of another.
            others = np.flatnonzero(part_of != here)
            if len(others) > _PARTNERS:
                others = rng.choice(others, _PARTNERS, replace=False)
            there = np.concatenate([parts[parts != here], part_of[others]])
            back = np.concatenate([np.zeros((len(parts) - 1, counts.shape[1])), counts[others]])
            change = np.zeros((len(there), *sums.shape))
            change[:, here] = back - counts[group]
            change[np.arange(len(there)), there] = counts[group] - back
            costs = _cost_of(sums + change, fractions, ranks)
            choice = int(np.argmin(costs))
            if costs[choice] < best - _GAIN:
                best, improved = float(costs[choice]), True
                sums = sums + change[choice]
                part_of[group] = there[choice]
                if choice >= len(parts) - 1:
                    part_of[others[choice - len(parts) + 1]] = here
        if len(counts) > _PARTNERS and best > _WORTH_A_ROUND * before:
            break
    return part_of


_RANDOM_STARTS = 4
_FEW_FOLDS, _ORDERS = 6, 720


def count_clips(
    corpus: Corpus, attribute: str, values: Sequence[str], label_set: str
) -> npt.NDArray[Any]:
    """Count clips per value of a clip attribute and per class, int ``(values, classes)``."""
    rows = {name: number for number, name in enumerate(values)}
    columns = {name: number for number, name in enumerate(corpus.classes(label_set))}
    counts = np.zeros((len(rows), len(columns)), int)
    for clip in corpus.clips:
        counts[rows[getattr(clip, attribute)], columns[clip.label(label_set)]] += 1
    return counts


def start_folds(
    corpus: Corpus, label_set: str, speakers: Sequence[str], folds: int, rng: np.random.Generator
) -> Iterator[npt.NDArray[Any]]:
    """Generate start assignments for :func:`assign`: the fold of each speaker ``(speakers,)``.

    The first one is that of scikit-learn's ``StratifiedGroupKFold``; the other four are random.

    Raises:
        InputError: if every class has fewer clips than there are folds.
    """
    kfold = StratifiedGroupKFold(folds, shuffle=True, random_state=int(rng.integers(1 << 31)))
    numbers = fold_numbers(kfold, corpus.labels(label_set), [clip.speaker for clip in corpus.clips])
    of = dict(zip((clip.speaker for clip in corpus.clips), numbers, strict=True))
    yield np.array([of[speaker] for speaker in speakers])
    for _ in range(_RANDOM_STARTS):
        yield rng.permutation(np.arange(len(speakers)) % folds)


def fold_numbers(
    kfold: BaseCrossValidator, labels: Sequence[str], groups: Sequence[str] | None
) -> npt.NDArray[Any]:
    """Return the fold ``(clips,)`` in which a scikit-learn splitter tests each clip.

    Raises:
        InputError: if the splitter raises a ValueError for these clips.
    """
    numbers = np.zeros(len(labels), int)
    with warnings.catch_warnings():
        # Callers decide whether a class may have fewer clips than there are folds.
        warnings.filterwarnings("ignore", message="The least populated class")
        try:
            for number, (_, tested) in enumerate(kfold.split(labels, labels, groups)):
                numbers[tested] = number
        except ValueError as error:
            raise InputError(f"The clips cannot be split into folds: {error}") from error
    return numbers


def order_folds(counts: npt.NDArray[Any], rng: np.random.Generator) -> npt.NDArray[Any]:
    """Renumber folds so that as few classes as possible are missing in training partitions.

    A fold and the next one are held out together, as test and validation partition. If all clips
    of a class, such as one with two speakers, are in two neighbouring folds, a training partition
    lacks the class. Up to 6 folds try all orders, else 720 random ones.

    Args:
        counts: number of clips ``(folds, classes)``.
        rng: random generator that decides between equally good orders.

    Returns:
        The new number of each fold, int ``(folds,)``.
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


_TEST_SENTENCES = 1 / 3


def keep_sentences_apart(split: Split, label_set: str, seed: int) -> Split:
    """Leave out clips so that no sentence of the test partition is in the other partitions.

    About a third of each corpus' sentences (or words) is reserved for the test partition. The
    choice is stratified: about a third of each class' clips has a reserved sentence. RAVDESS has
    two sentences; one is reserved. A split without shared sentences keeps all its clips.

    Args:
        split: a speaker-disjoint split.
        label_set: label set by which the choice of sentences is stratified.
        seed: seed of the choice; the same seed gives the same sentences.

    Returns:
        The split with ``sentence_disjoint`` set and the removed clips in ``left_out``.

    Raises:
        InputError: if the sentence of a clip is not known, if clips must be left out and a corpus
            has only one sentence, or if a partition would be left without clips.
    """
    whole = Corpus(tuple(clip for part in split.parts().values() for clip in part.clips))
    _require_known(whole)
    if not _sentences(split.test) & (_sentences(split.train) | _sentences(split.validation)):
        return replace(split, sentence_disjoint=True)
    tested: set[tuple[str, str]] = set()
    for name in sorted({clip.corpus for clip in whole.clips}):
        part = whole.where(lambda clip, name=name: clip.corpus == name)
        tested |= {(name, sentence) for sentence in _test_sentences(part, name, label_set, seed)}

    def is_tested(clip: Clip) -> bool:
        return (clip.corpus, clip.sentence) in tested

    fitted = (split.train, split.validation)
    train, validation = (part.where(lambda clip: not is_tested(clip)) for part in fitted)
    test = split.test.where(is_tested)
    for name, part in {"train": train, "validation": validation, "test": test}.items():
        if not part.clips:
            raise InputError(f"Without shared sentences the {name} partition has no clip.")
    kept = {(c.root, c.path) for part in (train, validation, test) for c in part.clips}
    left_out = tuple(clip for clip in whole.clips if (clip.root, clip.path) not in kept)
    return Split(train, validation, test, split.protocol, split.detail, left_out, True)


def _test_sentences(corpus: Corpus, name: str, label_set: str, seed: int) -> set[str]:
    sentences = sorted({clip.sentence for clip in corpus.clips})
    if len(sentences) < 2:
        raise InputError(
            "`sentence_disjoint` needs 2 sentences or more of each corpus. "
            f"Received: 1 sentence of {name}."
        )
    rng = np.random.default_rng(derive_seed(seed, "sentences", name))
    fractions = np.array([1 - _TEST_SENTENCES, _TEST_SENTENCES])
    starts = np.stack([rng.permutation(np.arange(len(sentences)) % 3 == 0) for _ in range(3)])
    counts = count_clips(corpus, "sentence", sentences, label_set)
    order = int(rng.integers(1 << 31))
    part_of = assign(counts, fractions, np.zeros(2, int), starts.astype(int), order)
    return {sentence for sentence, part in zip(sentences, part_of, strict=True) if part}


def _sentences(corpus: Corpus) -> set[tuple[str, str]]:
    return {(clip.corpus, clip.sentence) for clip in corpus.clips}


def _require_known(corpus: Corpus) -> None:
    unknown = Counter(clip.corpus for clip in corpus.clips if not clip.sentence)
    if unknown:
        shown = ", ".join(f"{counted(n, 'clip')} of {name}" for name, n in sorted(unknown.items()))
        raise InputError(
            f"`sentence_disjoint` needs the sentence of each clip. Received: none for {shown}."
        )
