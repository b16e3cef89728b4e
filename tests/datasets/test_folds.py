from dataclasses import replace

import numpy as np
import pytest
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from serkit.datasets.assignment import count_clips, fold_of_each_clip, order_folds, start_folds
from serkit.datasets.corpus import Clip, Corpus
from serkit.errors import InputError

CLIP = Clip("x.wav", "c", "s", "male", "sad", "sad")


@pytest.fixture
def corpus() -> Corpus:
    clips = [
        replace(CLIP, path=f"{n}.wav", speaker=f"s{n % 6}", emotion=("sad", "angry")[n % 2])
        for n in range(24)
    ]
    return Corpus(tuple(clips))


def test_clips_are_counted_by_attribute_and_class(corpus):
    counts = count_clips(corpus, "speaker", [f"s{n}" for n in range(6)], "emotion")
    assert counts.tolist() == [[0, 4], [4, 0]] * 3


def test_the_first_start_is_scikit_learns_and_all_have_every_fold(corpus):
    speakers = sorted(corpus.speakers())
    starts = list(start_folds(corpus, "emotion", speakers, 3, np.random.default_rng(0)))
    assert len(starts) > 1
    assert all(set(start) == {0, 1, 2} for start in starts)
    seed = int(np.random.default_rng(0).integers(1 << 31))
    kfold = StratifiedGroupKFold(3, shuffle=True, random_state=seed)
    of_clips = fold_of_each_clip(
        kfold, corpus.labels("emotion"), [clip.speaker for clip in corpus.clips]
    )
    assert [starts[0][int(c.speaker[1:])] for c in corpus.clips] == of_clips.tolist()


def test_every_clip_is_tested_in_one_fold(corpus):
    numbers = fold_of_each_clip(StratifiedKFold(4), corpus.labels("emotion"), None)
    assert np.bincount(numbers).tolist() == [6, 6, 6, 6]


def test_an_error_of_scikit_learn_is_an_input_error():
    with pytest.raises(InputError, match="folds"):
        fold_of_each_clip(StratifiedKFold(5), ["a", "b", "c"], None)


@pytest.mark.parametrize("folds", [4, 6, 9])
def test_neighbouring_folds_are_not_the_only_ones_with_a_class(folds):
    """Neighbours are held out together: what only they have could not be trained on."""
    counts = np.full((folds, 2), [3, 0])
    counts[[1, 2], 1] = 1
    for seed in range(5):
        order = order_folds(counts, np.random.default_rng(seed))
        assert sorted(order) == list(range(folds))
        assert abs(order[1] - order[2]) not in (1, folds - 1)
