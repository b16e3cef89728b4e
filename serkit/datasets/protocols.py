"""Ways to split a corpus by speaker, by sentence, by corpus or at random."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedKFold

from serkit.datasets.assignment import (
    assign,
    count_clips,
    fold_of_each_clip,
    keep_sentences_apart,
    order_folds,
    start_folds,
)
from serkit.datasets.corpus import Clip, Corpus
from serkit.datasets.splits import RANDOM, Split
from serkit.errors import InputError, check_choice, check_range
from serkit.formatting import counted
from serkit.seeds import derive_seed


def random_folds(corpus: Corpus, label_set: str, seed: int, *, folds: int = 5) -> tuple[Split, ...]:
    """Split clips into folds without regard to speakers.

    Each fold is the test partition once; the next fold is then the validation partition.

    With five folds the fractions are those of :func:`random_split`. The same speakers are in
    training and test partitions. So the splits, and all results made from them, are marked as
    leaky.

    Args:
        corpus: the clips to split.
        label_set: ``emotion`` or ``gender_emotion``; the labels for the stratification.
        seed: the same seed gives the same folds.
        folds: at least 3.

    Raises:
        InputError: if ``folds`` is out of range, or every class has fewer clips than there are
            folds.
    """
    check_range("folds", folds, 3)
    fold_of = _stratified_folds(corpus, label_set, seed, "random folds", folds)
    splits = []
    for test_fold in range(folds):
        validation_fold = (test_fold + 1) % folds
        partition_of_clip = np.select([fold_of == test_fold, fold_of == validation_fold], [2, 1])
        train, validation, test = _partition_clips(corpus, partition_of_clip, 3)
        splits.append(Split(train, validation, test, RANDOM, f"fold {test_fold + 1} of {folds}"))
    return tuple(splits)


_FRACTIONS = np.array([0.6, 0.2, 0.2])
_PARTITION_OF_FOLDS = (0, 0, 0, 1, 2)
# Ranks of a missing class in train, validation and test. A class missing in training cannot be
# learned. A class missing in test cannot be reported. A class missing in validation cannot
# be considered in model selection.
_RANKS = np.array([2, 0, 1])
_MIN_SPEAKERS = 5


def hold_out(
    corpus: Corpus, label_set: str, seed: int, *, sentence_disjoint: bool = False
) -> Split:
    """Split by speaker into about 60 % training, 20 % validation and 20 % test clips.

    Five folds of scikit-learn's StratifiedGroupKFold are merged into the three partitions. Then
    speakers are exchanged as long as this brings the classes closer to their fractions.
    StratifiedGroupKFold alone assigns the speakers with the most uneven classes first. Where few
    speakers have a class, it left whole classes without test clips.

    Args:
        corpus: clips of at least five speakers.
        label_set: ``emotion`` or ``gender_emotion``; the labels for the stratification.
        seed: decides which folds are held out; the same seed gives the same split.
        sentence_disjoint: also keep sentences disjoint. A third of each corpus' sentences is
            reserved for the test partition. Clips that violate this are left out.

    Returns:
        The split; no two partitions share a speaker.

    Raises:
        InputError: if there are too few speakers, or no split has every class in training. With
            ``sentence_disjoint``, also if a clip's sentence is not known, a corpus has only one
            sentence, or a partition would have no clips.

    Example:
        >>> import serkit
        >>> emotions = "happy", "sad"
        >>> clips = [serkit.Clip(e, "mine", s, "male", e, e, s) for s in "abcdef" for e in emotions]
        >>> corpus = serkit.Corpus(tuple(clips))
        >>> split = serkit.hold_out(corpus, "emotion", seed=0)
        >>> split.train.speakers() & split.test.speakers()
        set()
    """
    speakers = _require_speakers(corpus, _MIN_SPEAKERS, "into training, validation and test")
    counts = count_clips(corpus, "speaker", speakers, label_set)
    rng = np.random.default_rng(derive_seed(seed, "split"))
    starts = []
    for fold_of in start_folds(corpus, label_set, speakers, _MIN_SPEAKERS, rng):
        starts.append(np.array(_PARTITION_OF_FOLDS)[rng.permutation(5)][fold_of])
    partition_of_speaker = assign(
        counts, _FRACTIONS, _RANKS, np.stack(starts), int(rng.integers(1 << 31))
    )
    train, validation, test = _partition_by_speaker(corpus, speakers, partition_of_speaker, 3)
    split = Split(train, validation, test)
    if sentence_disjoint:
        split = keep_sentences_apart(split, label_set, seed)
    _require_all_classes(corpus, split, label_set)
    return split


def k_fold(
    corpus: Corpus, label_set: str, seed: int, *, folds: int = 5, sentence_disjoint: bool = False
) -> tuple[Split, ...]:
    """Split into folds of speakers.

    Each fold is the test partition once; the next fold is then the validation partition.

    The folds are those of scikit-learn's StratifiedGroupKFold, improved as in :func:`hold_out`.

    Args:
        corpus: clips of at least as many speakers as folds.
        label_set: ``emotion`` or ``gender_emotion``; the labels for the stratification.
        seed: the same seed gives the same folds.
        folds: at least 3.
        sentence_disjoint: as for :func:`hold_out`.

    Returns:
        One split per fold; no two partitions of a split share a speaker.

    Raises:
        InputError: as for :func:`hold_out`, for example if there are too few speakers, or too few
            speakers of a class for every training partition to contain it.

    Example:
        >>> import serkit
        >>> emotions = "happy", "sad"
        >>> clips = [serkit.Clip(e, "mine", s, "male", e, e, s) for s in "abcdef" for e in emotions]
        >>> corpus = serkit.Corpus(tuple(clips))
        >>> [len(split.test) for split in serkit.k_fold(corpus, "emotion", seed=0, folds=3)]
        [4, 4, 4]
    """
    check_range("folds", folds, 3)
    if folds > len(corpus.speakers()) >= 3:
        raise InputError(
            f"`folds` must be at most {len(corpus.speakers())}, the number of speakers. "
            f"Received: {folds}."
        )
    speakers = _require_speakers(corpus, 3, f"into {folds} folds")
    counts = count_clips(corpus, "speaker", speakers, label_set)
    rng = np.random.default_rng(derive_seed(seed, "folds"))
    starts = np.stack(list(start_folds(corpus, label_set, speakers, folds, rng)))
    fractions, ranks = np.full(folds, 1 / folds), np.zeros(folds, int)
    fold_of = assign(counts, fractions, ranks, starts, int(rng.integers(1 << 31)))
    new_folds = order_folds(
        np.stack([counts[fold_of == fold].sum(axis=0) for fold in range(folds)]), rng
    )
    clips_of_folds = _partition_by_speaker(corpus, speakers, new_folds[fold_of], folds)
    splits = []
    for number in range(folds):
        test, validation = clips_of_folds[number], clips_of_folds[(number + 1) % folds]
        held_out_speakers = test.speakers() | validation.speakers()
        train = corpus.where(lambda clip, out=held_out_speakers: clip.speaker not in out)
        split = Split(train, validation, test, "k-fold", f"fold {number + 1} of {folds}")
        if sentence_disjoint:
            split = keep_sentences_apart(split, label_set, seed)
        _require_all_classes(corpus, split, label_set)
        splits.append(split)
    return tuple(splits)


def leave_one_speaker_out(
    corpus: Corpus, label_set: str, seed: int, *, sentence_disjoint: bool = False
) -> Iterator[Split]:
    """Yield a split for each speaker, with this speaker as the test partition.

    About a fifth of the other speakers' clips is the validation partition.

    Args:
        corpus: clips of at least five speakers.
        label_set: ``emotion`` or ``gender_emotion``; the labels for the stratification of the
            validation partition.
        seed: the same seed gives the same splits.
        sentence_disjoint: as for :func:`hold_out`.

    Yields:
        The splits, sorted by the name of the test speaker.

    Raises:
        InputError: if there are fewer than five speakers, or sentences cannot be kept disjoint.

    Example:
        >>> import serkit
        >>> emotions = "happy", "sad"
        >>> clips = [serkit.Clip(e, "mine", s, "male", e, e, s) for s in "abcdef" for e in emotions]
        >>> corpus = serkit.Corpus(tuple(clips))
        >>> next(serkit.leave_one_speaker_out(corpus, "emotion", seed=0)).test.speakers()
        {'a'}
    """
    for speaker in _require_speakers(corpus, _MIN_SPEAKERS, "by leaving one speaker out"):
        test = corpus.where(lambda clip, speaker=speaker: clip.speaker == speaker)
        split = _split_others(corpus, test, label_set, seed, "leave-one-speaker-out", speaker)
        yield keep_sentences_apart(split, label_set, seed) if sentence_disjoint else split


def leave_one_corpus_out(corpus: Corpus, label_set: str, seed: int) -> Iterator[Split]:
    """Yield a split for each corpus, with this corpus as the test partition.

    About a fifth of the other corpora's clips is the validation partition.

    Each corpus has its own sentences, so that sentences are disjoint, too. A class that only the
    test corpus has is tested but not trained.

    Args:
        corpus: clips of at least two corpora.
        label_set: ``emotion`` or ``gender_emotion``; the labels for the stratification of the
            validation partition.
        seed: the same seed gives the same splits.

    Yields:
        The splits, sorted by the name of the test corpus.

    Raises:
        InputError: if there is only one corpus, or the other corpora have fewer than two speakers.

    Example:
        >>> import serkit
        >>> emotions = "happy", "sad"
        >>> pairs = [(speaker, emotion) for speaker in "abcdef" for emotion in emotions]
        >>> clips = (serkit.Clip(e, "xy"[s > "c"], s, "male", e, e, s) for s, e in pairs)
        >>> corpus = serkit.Corpus(tuple(clips))
        >>> [split.detail for split in serkit.leave_one_corpus_out(corpus, "emotion", seed=0)]
        ['without x', 'without y']
    """
    names = sorted({clip.corpus for clip in corpus.clips})
    if len(names) < 2:
        raise InputError(f"`corpus` must hold 2 corpora or more. Received: {', '.join(names)}.")
    for name in names:
        test = corpus.where(lambda clip, name=name: clip.corpus == name)
        yield _split_others(corpus, test, label_set, seed, "leave-one-corpus-out", name)


def random_split(corpus: Corpus, label_set: str, seed: int) -> Split:
    """Split as the 2021 report does: 60, 20 and 20 % of each class' clips, ignoring speakers.

    The same speakers are in training and test partitions, so that a classifier may recognise the
    speaker instead of the emotion. The split, and all results made from it, are marked as leaky.

    Raises:
        InputError: if every class has fewer than five clips.
    """
    fold_of = _stratified_folds(corpus, label_set, seed, "random split", 5)
    train, validation, test = _partition_clips(corpus, np.array(_PARTITION_OF_FOLDS)[fold_of], 3)
    return Split(train, validation, test, RANDOM)


def _stratified_folds(
    corpus: Corpus, label_set: str, seed: int, purpose: str, folds: int
) -> npt.NDArray[Any]:
    """Return the fold of each clip, int ``(clips,)``, without regard to speakers."""
    rng = np.random.default_rng(derive_seed(seed, purpose))
    kfold = StratifiedKFold(folds, shuffle=True, random_state=int(rng.integers(1 << 31)))
    return fold_of_each_clip(kfold, corpus.labels(label_set), None)


PROTOCOLS: dict[str, Callable[..., Split | Sequence[Split] | Iterator[Split]]] = {
    "hold-out": hold_out,
    "k-fold": k_fold,
    "leave-one-speaker-out": leave_one_speaker_out,
    "leave-one-corpus-out": leave_one_corpus_out,
    RANDOM: random_split,
}


def make_splits(protocol: str, corpus: Corpus, label_set: str, seed: int) -> tuple[Split, ...]:
    """Make the splits of a protocol, given by its name in :data:`PROTOCOLS`.

    Raises:
        InputError: if the protocol is unknown, or the corpus does not meet its requirements.
    """
    check_choice("protocol", protocol, PROTOCOLS)
    splits = PROTOCOLS[protocol](corpus, label_set, seed)
    return (splits,) if isinstance(splits, Split) else tuple(splits)


def _require_speakers(corpus: Corpus, min_speakers: int, split_phrase: str) -> list[str]:
    """Return all speakers; raise InputError, with ``split_phrase``, if there are too few."""
    speakers = sorted(corpus.speakers())
    if len(speakers) < min_speakers:
        received = f"{counted(len(corpus), 'clip')} of {counted(len(speakers), 'speaker')}"
        raise InputError(
            f"The recordings must have {min_speakers} or more speakers to be split {split_phrase}. "
            f"Received: {received} ({', '.join(speakers)}). Folders (label/speaker/file), a group "
            "(?P<speaker>…) of `pattern` or the column speaker of a CSV name them."
        )
    return speakers


def _partition_by_speaker(
    corpus: Corpus, speakers: Sequence[str], partitions: npt.NDArray[Any], count: int
) -> list[Corpus]:
    """Return ``count`` corpora. The clips of ``speakers[i]`` are in corpus ``partitions[i]``."""
    partition_of = dict(zip(speakers, partitions.tolist(), strict=True))
    return _partition_clips(
        corpus, np.array([partition_of[clip.speaker] for clip in corpus.clips]), count
    )


def _partition_clips(corpus: Corpus, partitions: npt.NDArray[Any], count: int) -> list[Corpus]:
    """Return ``count`` corpora. Clip ``i`` is in corpus ``partitions[i]``."""
    clips_of: list[list[Clip]] = [[] for _ in range(count)]
    for clip, partition in zip(corpus.clips, partitions.tolist(), strict=True):
        clips_of[partition].append(clip)
    return [Corpus(tuple(clips), corpus.roots) for clips in clips_of]


def _split_others(
    corpus: Corpus, test: Corpus, label_set: str, seed: int, protocol: str, name: str
) -> Split:
    """Split all speakers that are not in ``test`` into training and validation."""
    test_speakers = test.speakers()
    others = corpus.where(lambda clip: clip.speaker not in test_speakers)
    speakers = _require_speakers(others, 2, f"into training and validation, {name} being left out")
    rng = np.random.default_rng(derive_seed(seed, protocol, name))
    starts = np.stack([rng.permutation(np.arange(len(speakers)) % 5 == 0) for _ in range(3)])
    counts = count_clips(others, "speaker", speakers, label_set)
    fractions, ranks = np.array([0.8, 0.2]), np.array([1, 0])
    partition_of_speaker = assign(
        counts, fractions, ranks, starts.astype(int), int(rng.integers(1 << 31))
    )
    train, validation = _partition_by_speaker(others, speakers, partition_of_speaker, 2)
    return Split(train, validation, test, protocol, f"without {name}")


def _require_all_classes(corpus: Corpus, split: Split, label_set: str) -> None:
    missing = set(corpus.classes(label_set)) - set(split.train.classes(label_set))
    if missing:
        speaker_counts = {
            label: len({clip.speaker for clip in corpus.clips if clip.label(label_set) == label})
            for label in sorted(missing)
        }
        listed = ", ".join(f"{label} ({speakers})" for label, speakers in speaker_counts.items())
        scarce_units = "speakers or sentences" if split.sentence_disjoint else "speakers"
        raise InputError(
            f"No split of {len(corpus.speakers())} speakers has every class of {label_set} in its "
            f"training partition. Classes with few {scarce_units}: {listed}"
        )
