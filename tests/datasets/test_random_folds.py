import pytest

from serkit.datasets.protocols import random_folds
from serkit.errors import InputError


def test_every_clip_is_tested_once_and_classes_are_spread_evenly(synthetic_corpus):
    splits = random_folds(synthetic_corpus, "emotion", 0)
    tested = [clip.path for split in splits for clip in split.test.clips]
    assert sorted(tested) == sorted(clip.path for clip in synthetic_corpus.clips)
    whole = synthetic_corpus.counts("emotion")
    for split in splits:
        for label, count in split.test.counts("emotion").items():
            assert abs(count - whole[label] / 5) <= 1
        assert len(split.train) == pytest.approx(0.6 * len(synthetic_corpus), abs=4)


def test_they_say_that_they_leak(synthetic_corpus):
    splits = random_folds(synthetic_corpus, "emotion", 0, folds=3)
    assert all(split.leaky and split.speakers.shared() for split in splits)
    assert [split.detail for split in splits] == [f"fold {n} of 3" for n in (1, 2, 3)]


def test_the_seed_decides(synthetic_corpus):
    def tested(seed):
        first = random_folds(synthetic_corpus, "emotion", seed)[0]
        return [clip.path for clip in first.test.clips]

    assert tested(0) == tested(0) != tested(1)
    with pytest.raises(InputError, match="folds=2"):
        random_folds(synthetic_corpus, "emotion", 0, folds=2)
