"""Ways to split a corpus by speaker, by sentence, by corpus or at random; rare classes."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from sklearn.model_selection import StratifiedKFold

from serkit.datasets.assignment import (
    assign,
    count_clips,
    fold_numbers,
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
    """Folds of clips, whoever speaks them; each is the test part once, the next one validation.

    With five folds the shares are those of :func:`random_split`. Speakers
    are on both sides: the splits are marked as leaky, and so is everything that is made from them.

    Args:
        corpus: clips.
        label_set: ``emotion`` or ``gender_emotion``; what the folds are stratified by.
        seed: same seed, same folds.
        folds: at least 3.

    Raises:
        InputError: if every class has fewer clips than there are folds.
    """
    check_range("folds", folds, 3)
    rng = np.random.default_rng(derive_seed(seed, "random folds"))
    kfold = StratifiedKFold(folds, shuffle=True, random_state=int(rng.integers(1 << 31)))
    fold_of = fold_numbers(kfold, corpus.labels(label_set), None)

    def part(*numbers: int) -> Corpus:
        wanted = np.isin(fold_of, numbers)
        chosen = (clip for clip, mine in zip(corpus.clips, wanted, strict=True) if mine)
        return Corpus(tuple(chosen), corpus.roots)

    splits = []
    for test in range(folds):
        validation = (test + 1) % folds
        train = set(range(folds)) - {test, validation}
        detail = f"fold {test + 1} of {folds}"
        splits.append(Split(part(*train), part(validation), part(test), RANDOM, detail))
    return tuple(splits)


_SHARES = np.array([0.6, 0.2, 0.2])
_PARTS_OF_FOLDS = (0, 0, 0, 1, 2)
# A class missing in training cannot be learned, in test not be reported, in validation not chosen.
_RANKS = np.array([2, 0, 1])
_FEWEST_SPEAKERS = 5


def hold_out(
    corpus: Corpus, label_set: str, seed: int, *, sentence_disjoint: bool = False
) -> Split:
    """Split by speaker into about 60 % training, 20 % validation and 20 % test clips.

    Five folds of scikit-learn's StratifiedGroupKFold are put together, and then speakers are
    exchanged until that brings the classes no nearer to their shares: by itself it places speakers
    in the order of how uneven they are, and left whole classes without test clips where few
    speakers have them.

    Args:
        corpus: at least five speakers.
        label_set: ``emotion`` or ``gender_emotion``; what the parts are stratified by.
        seed: same seed, same split; decides which folds are held out.
        sentence_disjoint: also keep sentences apart: a third of each corpus' sentences is for
            testing alone. Clips on the wrong side of that are left out.

    Raises:
        InputError: if there are too few speakers, no split has every class in training, or
            sentences are to be kept apart and are not known, or there is only one.
    """
    speakers = _require_speakers(corpus, _FEWEST_SPEAKERS, "into training, validation and test")
    counts = count_clips(corpus, "speaker", speakers, label_set)
    rng = np.random.default_rng(derive_seed(seed, "split"))
    starts = []
    for fold_of in start_folds(corpus, label_set, speakers, _FEWEST_SPEAKERS, rng):
        starts.append(np.array(_PARTS_OF_FOLDS)[rng.permutation(5)][fold_of])
    part_of = assign(counts, _SHARES, _RANKS, np.stack(starts), int(rng.integers(1 << 31)))
    split = Split(*_parts(corpus, speakers, part_of, 3))
    if sentence_disjoint:
        split = keep_sentences_apart(split, label_set, seed)
    _require_all_classes(corpus, split, label_set)
    return split


def k_fold(
    corpus: Corpus,
    label_set: str,
    seed: int,
    *,
    folds: int = 5,
    sentence_disjoint: bool = False,
) -> tuple[Split, ...]:
    """Split into folds of speakers; each is the test part once, and the next one validation.

    The folds are those of scikit-learn's StratifiedGroupKFold, improved as in :func:`hold_out`.

    Args:
        corpus: at least as many speakers as folds.
        label_set: ``emotion`` or ``gender_emotion``; what the folds are stratified by.
        seed: same seed, same folds.
        folds: at least 3.
        sentence_disjoint: as for :func:`hold_out`.

    Raises:
        InputError: if there are too few speakers, or a class is of too few for every training part
            to have it.
    """
    check_range("folds", folds, 3)
    speakers = _require_speakers(corpus, folds, f"into {folds} folds")
    counts = count_clips(corpus, "speaker", speakers, label_set)
    rng = np.random.default_rng(derive_seed(seed, "folds"))
    starts = np.stack(list(start_folds(corpus, label_set, speakers, folds, rng)))
    shares, ranks = np.full(folds, 1 / folds), np.zeros(folds, int)
    fold_of = assign(counts, shares, ranks, starts, int(rng.integers(1 << 31)))
    order = order_folds(
        np.stack([counts[fold_of == fold].sum(axis=0) for fold in range(folds)]), rng
    )
    parts = _parts(corpus, speakers, order[fold_of], folds)
    splits = []
    for number in range(folds):
        test, validation = parts[number], parts[(number + 1) % folds]
        held_out = test.speakers() | validation.speakers()
        train = corpus.where(lambda clip, out=held_out: clip.speaker not in out)
        split = Split(train, validation, test, "k-fold", f"fold {number + 1} of {folds}")
        if sentence_disjoint:
            split = keep_sentences_apart(split, label_set, seed)
        _require_all_classes(corpus, split, label_set)
        splits.append(split)
    return tuple(splits)


def leave_one_speaker_out(
    corpus: Corpus, label_set: str, seed: int, *, sentence_disjoint: bool = False
) -> Iterator[Split]:
    """Each speaker is the test part once; a fifth of the others' clips is for validation.

    Args:
        corpus: at least five speakers.
        label_set: ``emotion`` or ``gender_emotion``; what validation is stratified by.
        seed: same seed, same splits.
        sentence_disjoint: as for :func:`hold_out`.

    Raises:
        InputError: if there are fewer than five speakers.
    """
    for speaker in _require_speakers(corpus, _FEWEST_SPEAKERS, "by leaving one speaker out"):
        test = corpus.where(lambda clip, speaker=speaker: clip.speaker == speaker)
        split = _without(corpus, test, label_set, seed, "leave-one-speaker-out", speaker)
        yield keep_sentences_apart(split, label_set, seed) if sentence_disjoint else split


def leave_one_corpus_out(corpus: Corpus, label_set: str, seed: int) -> Iterator[Split]:
    """Each corpus is the test part once; a fifth of the others' clips is for validation.

    Every corpus has sentences of its own, so that these are apart, too. A class that only the one
    left out has is tested without having been trained.

    Args:
        corpus: at least two corpora.
        label_set: ``emotion`` or ``gender_emotion``; what validation is stratified by.
        seed: same seed, same splits.

    Raises:
        InputError: if there is only one corpus, or too few speakers in the others.
    """
    names = sorted({clip.corpus for clip in corpus.clips})
    if len(names) < 2:
        raise InputError(f"only one corpus ({', '.join(names)}); at least two are needed")
    for name in names:
        test = corpus.where(lambda clip, name=name: clip.corpus == name)
        yield _without(corpus, test, label_set, seed, "leave-one-corpus-out", name)


def random_split(corpus: Corpus, label_set: str, seed: int) -> Split:
    """The 2021 report's own split: 60, 20 and 20 % of each class' clips, whoever speaks them.

    Speakers are on both sides, so that a classifier may know the voice instead of the emotion;
    the split is marked as leaky, and so is everything that is made from it.

    Raises:
        InputError: if every class has fewer than five clips.
    """
    labels = corpus.labels(label_set)
    rng = np.random.default_rng(derive_seed(seed, "random split"))
    kfold = StratifiedKFold(5, shuffle=True, random_state=int(rng.integers(1 << 31)))
    fold_of = fold_numbers(kfold, labels, None)
    part_of = np.array(_PARTS_OF_FOLDS)[fold_of]
    return Split(*_select(corpus, part_of, 3), RANDOM)


PROTOCOLS: dict[str, Callable[..., Split | Sequence[Split] | Iterator[Split]]] = {
    "hold-out": hold_out,
    "k-fold": k_fold,
    "leave-one-speaker-out": leave_one_speaker_out,
    "leave-one-corpus-out": leave_one_corpus_out,
    RANDOM: random_split,
}


def make_splits(protocol: str, corpus: Corpus, label_set: str, seed: int) -> tuple[Split, ...]:
    """The splits of a protocol by its name, one of :data:`PROTOCOLS`.

    Raises:
        InputError: if there is no such protocol, or it does not fit the corpus.
    """
    check_choice("protocol", protocol, PROTOCOLS)
    made = PROTOCOLS[protocol](corpus, label_set, seed)
    return (made,) if isinstance(made, Split) else tuple(made)


def _require_speakers(corpus: Corpus, fewest: int, how: str) -> list[str]:
    """All of them; InputError if there are fewer than a split ``how`` needs."""
    speakers = sorted(corpus.speakers())
    if len(speakers) < fewest:
        found = f"{counted(len(corpus), 'clip')} of {counted(len(speakers), 'speaker')}"
        raise InputError(
            f"the recordings are {found} ({', '.join(speakers)}); to split by speaker {how} takes "
            f"{fewest} or more"
        )
    return speakers


def _parts(
    corpus: Corpus, speakers: Sequence[str], part_of: np.ndarray, parts: int
) -> list[Corpus]:
    of = dict(zip(speakers, part_of.tolist(), strict=True))
    return _select(corpus, np.array([of[clip.speaker] for clip in corpus.clips]), parts)


def _select(corpus: Corpus, part_of: np.ndarray, parts: int) -> list[Corpus]:
    chosen: list[list[Clip]] = [[] for _ in range(parts)]
    for clip, part in zip(corpus.clips, part_of.tolist(), strict=True):
        chosen[part].append(clip)
    return [Corpus(tuple(clips), corpus.roots) for clips in chosen]


def _without(
    corpus: Corpus, test: Corpus, label_set: str, seed: int, protocol: str, name: str
) -> Split:
    """The rest in training and validation."""
    out = test.speakers()
    rest = corpus.where(lambda clip: clip.speaker not in out)
    speakers = _require_speakers(rest, 2, f"into training and validation, {name} being left out")
    rng = np.random.default_rng(derive_seed(seed, protocol, name))
    starts = np.stack([rng.permutation(np.arange(len(speakers)) % 5 == 0) for _ in range(3)])
    counts = count_clips(rest, "speaker", speakers, label_set)
    shares, ranks = np.array([0.8, 0.2]), np.array([1, 0])
    part_of = assign(counts, shares, ranks, starts.astype(int), int(rng.integers(1 << 31)))
    return Split(*_parts(rest, speakers, part_of, 2), test, protocol, f"without {name}")


def _require_all_classes(corpus: Corpus, split: Split, label_set: str) -> None:
    missing = set(corpus.classes(label_set)) - set(split.train.classes(label_set))
    if missing:
        few = {
            label: len({clip.speaker for clip in corpus.clips if clip.label(label_set) == label})
            for label in sorted(missing)
        }
        shown = ", ".join(f"{label} ({speakers})" for label, speakers in few.items())
        lack = "speakers or sentences" if split.sentence_disjoint else "speakers"
        raise InputError(
            f"no split of {len(corpus.speakers())} speakers has every class of {label_set} in its "
            f"training part; classes with few {lack}: {shown}"
        )


def make_rare(split: Split, label_set: str, label: str, clips: int, seed: int) -> Split:
    """Leave so many training clips of one class that only some remain; other parts stay whole.

    Clips are taken away from the speakers who have most of them, so that as many speakers as can
    be remain, each with nearly as many clips as any other.

    Args:
        split: any.
        label_set: ``emotion`` or ``gender_emotion``.
        label: the class.
        clips: how many remain, from 1 to those that there are.
        seed: same seed, same clips.

    Returns:
        The split with fewer training clips; those taken away are in ``left_out``.

    Raises:
        InputError: if ``clips`` is out of range, or no training clip has the label.
    """
    mine = [clip for clip in split.train.clips if clip.label(label_set) == label]
    if not mine:
        known = ", ".join(split.train.classes(label_set))
        raise InputError(f"label={label!r} is of no training clip; valid are: {known}")
    check_range("clips", clips, 1, len(mine))
    gone = {(clip.root, clip.path) for clip in _surplus(mine, len(mine) - clips, seed)}
    return replace(
        split,
        train=split.train.where(lambda clip: (clip.root, clip.path) not in gone),
        left_out=(*split.left_out, *(clip for clip in mine if (clip.root, clip.path) in gone)),
    )


def _surplus(clips: list[Clip], count: int, seed: int) -> list[Clip]:
    rng = np.random.default_rng(derive_seed(seed, "make_rare"))
    of_speaker: dict[str, list[Clip]] = defaultdict(list)
    for place in rng.permutation(len(clips)):
        of_speaker[clips[place].speaker].append(clips[place])
    taken = []
    for _ in range(count):
        # Of equals the first in random order, which the dictionary has.
        most = max(of_speaker.values(), key=len)
        taken.append(most.pop())
    return taken
