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

# With more possible assignments than this, local search replaces exhaustive search.
_MAX_ASSIGNMENTS = 20_000
# Local search accepts a candidate only if it lowers the cost by more than this.
_MIN_COST_DECREASE = 1e-12
# Limits for large corpora. A group is swapped with at most `_MAX_SWAPS` other groups, drawn anew
# for each group. With more than `_MAX_SWAPS` groups the search stops after a round that lowers the
# cost by less than 10 %: with so many groups the classes are even without an exhaustive search.
_MAX_SWAPS, _MAX_COST_RATIO = 250, 0.9


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
        fractions: target fraction of the clips in each partition ``(partitions,)``; the fractions
            sum to 1.
        ranks: priority of each partition to contain every class ``(partitions,)``, small integers.
            One class missing in a partition costs more than any number of classes missing in
            partitions of lower rank.
        starts: initial partition of each group ``(starts, groups)``.
        seed: seed of the order of attempts, which decides between equally good results.

    Returns:
        The partition of each group, int ``(groups,)``.
    """
    counts = counts[:, counts.sum(axis=0) > 0].astype(float)
    rng = np.random.default_rng(seed)
    group_count, partition_count = len(counts), len(fractions)
    if partition_count**group_count <= _MAX_ASSIGNMENTS:
        assignments = np.array(list(itertools.product(range(partition_count), repeat=group_count)))
        assignments = assignments[rng.permutation(len(assignments))]
        return assignments[np.argmin(np.round(cost(counts, fractions, ranks, assignments), 9))]
    improved = [_improve(counts, fractions, ranks, initial.copy(), rng) for initial in starts]
    return min(improved, key=lambda assignment: cost(counts, fractions, ranks, assignment[None])[0])


def cost(
    counts: npt.NDArray[Any],
    fractions: npt.NDArray[Any],
    ranks: npt.NDArray[Any],
    assignments: npt.NDArray[Any],
) -> npt.NDArray[Any]:
    """Compute the cost of each assignment; see :func:`assign` for the arguments.

    Empty partitions cost most. Classes missing in a partition cost less, by the partition's rank.
    Squared differences from the target fractions cost least: for each partition's fraction of each
    class, and for its fraction of all clips.

    Args:
        counts: number of clips ``(groups, classes)``.
        fractions: target fraction of each partition ``(partitions,)``.
        ranks: rank of each partition ``(partitions,)``.
        assignments: partition of each group ``(n, groups)``.

    Returns:
        Costs ``(n,)``.
    """
    clip_counts = np.stack(
        [(assignments == partition).astype(float) @ counts for partition in range(len(fractions))],
        axis=1,
    )
    return _cost_of(clip_counts, fractions, ranks)


def _cost_of(
    clip_counts: npt.NDArray[Any], fractions: npt.NDArray[Any], ranks: npt.NDArray[Any]
) -> npt.NDArray[Any]:
    """Compute :func:`cost` from numbers of clips ``(…, partitions, classes)``."""
    partition_count, class_count = clip_counts.shape[-2:]
    class_totals = clip_counts.sum(axis=-2, keepdims=True)
    class_imbalance = np.square(clip_counts / class_totals - fractions[:, None]).sum(axis=(-2, -1))
    partition_sizes = clip_counts.sum(axis=-1)
    size_imbalance = np.square(
        partition_sizes / partition_sizes.sum(axis=-1, keepdims=True) - fractions
    ).sum(axis=-1)
    # One missing class costs more than any imbalance and than all missing classes of lower rank.
    weights = 4.0 * partition_count * class_count * (partition_count * class_count + 1.0) ** ranks
    missing = ((clip_counts == 0).sum(axis=-1) * weights).sum(axis=-1)
    empty = (
        (partition_sizes == 0).sum(axis=-1) * weights.max() * (partition_count * class_count + 1)
    )
    return class_imbalance + class_count * size_imbalance + missing + empty


def _improve(
    counts: npt.NDArray[Any],
    fractions: npt.NDArray[Any],
    ranks: npt.NDArray[Any],
    partition_of: npt.NDArray[Any],
    rng: np.random.Generator,
) -> npt.NDArray[Any]:
    """Improve an assignment in place by local search and return it; see :func:`assign`."""
    partitions = np.arange(len(fractions))
    clip_counts = np.stack(
        [counts[partition_of == partition].sum(axis=0) for partition in partitions]
    )
    best_cost = float(_cost_of(clip_counts, fractions, ranks))
    improved = True
    while improved:
        improved, cost_before_round = False, best_cost
        for group in rng.permutation(len(counts)):
            current = partition_of[group]
            # The first candidates move the group to each other partition. The next candidates swap
            # the group with each of `swap_groups`, which moves to the group's current partition.
            swap_groups = np.flatnonzero(partition_of != current)
            if len(swap_groups) > _MAX_SWAPS:
                swap_groups = rng.choice(swap_groups, _MAX_SWAPS, replace=False)
            targets = np.concatenate([partitions[partitions != current], partition_of[swap_groups]])
            returned_counts = np.concatenate(
                [np.zeros((len(partitions) - 1, counts.shape[1])), counts[swap_groups]]
            )
            changes = np.zeros((len(targets), *clip_counts.shape))
            changes[:, current] = returned_counts - counts[group]
            changes[np.arange(len(targets)), targets] = counts[group] - returned_counts
            costs = _cost_of(clip_counts + changes, fractions, ranks)
            candidate = int(np.argmin(costs))
            if costs[candidate] < best_cost - _MIN_COST_DECREASE:
                best_cost, improved = float(costs[candidate]), True
                clip_counts = clip_counts + changes[candidate]
                partition_of[group] = targets[candidate]
                if candidate >= len(partitions) - 1:
                    partition_of[swap_groups[candidate - len(partitions) + 1]] = current
        if len(counts) > _MAX_SWAPS and best_cost > _MAX_COST_RATIO * cost_before_round:
            break
    return partition_of


_RANDOM_STARTS = 4
# Up to 6 folds all orders are tried, with more folds 720 random orders.
_MAX_FOLDS_ALL_ORDERS, _RANDOM_ORDERS = 6, 720


def count_clips(
    corpus: Corpus, attribute: str, values: Sequence[str], label_set: str
) -> npt.NDArray[Any]:
    """Count clips per value of a clip attribute and per class, int ``(values, classes)``."""
    row_of_value = {name: number for number, name in enumerate(values)}
    column_of_class = {name: number for number, name in enumerate(corpus.classes(label_set))}
    counts = np.zeros((len(row_of_value), len(column_of_class)), int)
    for clip in corpus.clips:
        counts[row_of_value[getattr(clip, attribute)], column_of_class[clip.label(label_set)]] += 1
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
    fold_of_clip = fold_of_each_clip(
        kfold, corpus.labels(label_set), [clip.speaker for clip in corpus.clips]
    )
    fold_of_speaker = dict(zip((clip.speaker for clip in corpus.clips), fold_of_clip, strict=True))
    yield np.array([fold_of_speaker[speaker] for speaker in speakers])
    for _ in range(_RANDOM_STARTS):
        yield rng.permutation(np.arange(len(speakers)) % folds)


def fold_of_each_clip(
    kfold: BaseCrossValidator, labels: Sequence[str], groups: Sequence[str] | None
) -> npt.NDArray[Any]:
    """Return the fold ``(clips,)`` in which a scikit-learn splitter tests each clip.

    Raises:
        InputError: if the splitter raises a ValueError for these clips.
    """
    fold_of_clip = np.zeros(len(labels), int)
    with warnings.catch_warnings():
        # Callers decide whether a class may have fewer clips than there are folds.
        warnings.filterwarnings("ignore", message="The least populated class")
        try:
            for fold, (_, test_indices) in enumerate(kfold.split(labels, labels, groups)):
                fold_of_clip[test_indices] = fold
        except ValueError as error:
            raise InputError(f"The clips cannot be split into folds: {error}") from error
    return fold_of_clip


def order_folds(counts: npt.NDArray[Any], rng: np.random.Generator) -> npt.NDArray[Any]:
    """Renumber folds so that as few classes as possible are missing in training partitions.

    A fold and the next one are held out together, as test and validation partition. If all clips
    of a class, such as one with two speakers, are in two neighbouring folds, a training partition
    lacks the class. With up to 6 folds all orders are tried, with more folds 720 random orders.

    Args:
        counts: number of clips ``(folds, classes)``.
        rng: random generator that decides between equally good orders.

    Returns:
        The new number of each fold, int ``(folds,)``.
    """
    fold_count = len(counts)
    if fold_count <= _MAX_FOLDS_ALL_ORDERS:
        orders = rng.permutation(list(itertools.permutations(range(fold_count))))
    else:
        orders = np.stack([rng.permutation(fold_count) for _ in range(_RANDOM_ORDERS)])
    ordered_counts = counts[orders]
    training_counts = counts.sum(axis=0) - ordered_counts - np.roll(ordered_counts, -1, axis=1)
    best = orders[np.argmin((training_counts == 0).sum(axis=(1, 2)))]
    return np.argsort(best)


_TEST_FRACTION = 1 / 3


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
    all_clips = Corpus(tuple(clip for part in split.partitions().values() for clip in part.clips))
    _require_sentences(all_clips)
    if not _sentences(split.test) & (_sentences(split.train) | _sentences(split.validation)):
        return replace(split, sentence_disjoint=True)
    test_sentences: set[tuple[str, str]] = set()
    for name in sorted({clip.corpus for clip in all_clips.clips}):
        part = all_clips.where(lambda clip, name=name: clip.corpus == name)
        test_sentences |= {
            (name, sentence) for sentence in _choose_test_sentences(part, name, label_set, seed)
        }

    def has_test_sentence(clip: Clip) -> bool:
        return (clip.corpus, clip.sentence) in test_sentences

    fitted = (split.train, split.validation)
    train, validation = (part.where(lambda clip: not has_test_sentence(clip)) for part in fitted)
    test = split.test.where(has_test_sentence)
    for name, part in {"train": train, "validation": validation, "test": test}.items():
        if not part.clips:
            raise InputError(f"Without shared sentences the {name} partition has no clip.")
    kept = {(c.root, c.path) for part in (train, validation, test) for c in part.clips}
    left_out = tuple(clip for clip in all_clips.clips if (clip.root, clip.path) not in kept)
    return Split(train, validation, test, split.protocol, split.detail, left_out, True)


def _choose_test_sentences(corpus: Corpus, corpus_name: str, label_set: str, seed: int) -> set[str]:
    sentences = sorted({clip.sentence for clip in corpus.clips})
    if len(sentences) < 2:
        raise InputError(
            "`sentence_disjoint` needs 2 sentences or more of each corpus. "
            f"Received: 1 sentence of {corpus_name}."
        )
    rng = np.random.default_rng(derive_seed(seed, "sentences", corpus_name))
    fractions = np.array([1 - _TEST_FRACTION, _TEST_FRACTION])
    starts = np.stack([rng.permutation(np.arange(len(sentences)) % 3 == 0) for _ in range(3)])
    counts = count_clips(corpus, "sentence", sentences, label_set)
    assignment_seed = int(rng.integers(1 << 31))
    partition_of = assign(counts, fractions, np.zeros(2, int), starts.astype(int), assignment_seed)
    return {sentence for sentence, part in zip(sentences, partition_of, strict=True) if part}


def _sentences(corpus: Corpus) -> set[tuple[str, str]]:
    return {(clip.corpus, clip.sentence) for clip in corpus.clips}


def _require_sentences(corpus: Corpus) -> None:
    unknown = Counter(clip.corpus for clip in corpus.clips if not clip.sentence)
    if unknown:
        shown = ", ".join(f"{counted(n, 'clip')} of {name}" for name, n in sorted(unknown.items()))
        raise InputError(
            f"`sentence_disjoint` needs the sentence of each clip. Received: none for {shown}."
        )
