"""Splits whose test part says nothing that was heard in training."""

from collections import Counter
from dataclasses import replace

import numpy as np

from serkit.corpora.corpus import Clip, Corpus
from serkit.corpora.splits import Split
from serkit.corpora.splitting.assignment import assign
from serkit.corpora.splitting.folds import count_clips
from serkit.errors import InputError
from serkit.seeds import derive_seed
from serkit.wording import counted

_TEST_SENTENCES = 1 / 3


def keep_sentences_apart(split: Split, label_set: str, seed: int) -> Split:
    """Leave out clips until no sentence of the test part is in the others.

    A third of each corpus' sentences (or words) is for testing alone, chosen so that every class
    has its share of them; RAVDESS, which has two, gives one to each side.

    Args:
        split: disjoint by speaker.
        label_set: what the sentences are stratified by.
        seed: same seed, same sentences.

    Raises:
        InputError: if the sentence of a clip is not known, a corpus has only one, or no clip would
            be left in a part.
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
            raise InputError(f"without shared sentences no clip is left in the {name} part")
    kept = {(c.root, c.path) for part in (train, validation, test) for c in part.clips}
    left_out = tuple(clip for clip in whole.clips if (clip.root, clip.path) not in kept)
    return Split(train, validation, test, split.protocol, split.detail, left_out, True)


def _test_sentences(corpus: Corpus, name: str, label_set: str, seed: int) -> set[str]:
    sentences = sorted({clip.sentence for clip in corpus.clips})
    if len(sentences) < 2:
        raise InputError(f"{name} has one sentence only; it cannot be on one side alone")
    rng = np.random.default_rng(derive_seed(seed, "sentences", name))
    shares = np.array([1 - _TEST_SENTENCES, _TEST_SENTENCES])
    starts = np.stack([rng.permutation(np.arange(len(sentences)) % 3 == 0) for _ in range(3)])
    counts = count_clips(corpus, "sentence", sentences, label_set)
    order = int(rng.integers(1 << 31))
    part_of = assign(counts, shares, np.zeros(2, int), starts.astype(int), order)
    return {sentence for sentence, part in zip(sentences, part_of, strict=True) if part}


def _sentences(corpus: Corpus) -> set[tuple[str, str]]:
    return {(clip.corpus, clip.sentence) for clip in corpus.clips}


def _require_known(corpus: Corpus) -> None:
    unknown = Counter(clip.corpus for clip in corpus.clips if not clip.sentence)
    if unknown:
        shown = ", ".join(f"{counted(n, 'clip')} of {name}" for name, n in sorted(unknown.items()))
        raise InputError(
            f"a split without shared sentences needs to know what is spoken; it is not in {shown}"
        )
