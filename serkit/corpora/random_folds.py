"""The report's random split, as folds: every clip is tested once, and its speaker is known."""

import numpy as np
from sklearn.model_selection import StratifiedKFold

from serkit.corpora.corpus import Corpus
from serkit.corpora.splits import RANDOM, Split
from serkit.corpora.splitting.folds import fold_numbers
from serkit.errors import check_range
from serkit.seeds import derive_seed


def random_folds(corpus: Corpus, label_set: str, seed: int, *, folds: int = 5) -> tuple[Split, ...]:
    """Folds of clips, whoever speaks them; each is the test part once, the next one validation.

    With five folds the shares are those of :func:`serkit.corpora.protocols.random_split`. Speakers
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
