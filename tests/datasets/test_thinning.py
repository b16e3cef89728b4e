from collections import Counter

import pytest

from serkit.datasets.corpus import Clip, Corpus
from serkit.datasets.splits import Split, make_rare
from serkit.errors import InputError


def _clips(speakers: str, each: int) -> tuple[Clip, ...]:
    return tuple(
        Clip(f"{speaker}-{emotion}-{number}.wav", "made-up", speaker, "female", emotion, emotion)
        for speaker in speakers
        for emotion in ("sad", "angry")
        for number in range(each)
    )


@pytest.fixture
def split() -> Split:
    more = (Clip("a-sad-more.wav", "made-up", "a", "female", "sad", "sad"),)
    parts = (*_clips("abc", 4), *more), _clips("d", 4), _clips("e", 4)
    return Split(*(Corpus(part) for part in parts))


def _sad(corpus: Corpus) -> Counter:
    return Counter(clip.speaker for clip in corpus.clips if clip.emotion == "sad")


def test_only_the_class_becomes_rare_evenly_over_its_speakers(split):
    thin = make_rare(split, "emotion", "sad", 7, seed=0)
    assert sorted(_sad(thin.train).values()) == [2, 2, 3]
    assert thin.train.counts("emotion")["angry"] == 12
    assert (thin.validation, thin.test) == (split.validation, split.test)


def test_removed_clips_are_left_out(split):
    thin = make_rare(split, "emotion", "sad", 7, seed=0)
    assert len(thin.left_out) == 13 - 7
    assert {clip.emotion for clip in thin.left_out} == {"sad"}
    assert set(thin.left_out) | set(thin.train.clips) == set(split.train.clips)


def test_same_seed_same_clips_and_fewer_speakers_only_where_there_must_be(split):
    assert make_rare(split, "emotion", "sad", 7, 1) == make_rare(split, "emotion", "sad", 7, 1)
    drawn = {make_rare(split, "emotion", "sad", 7, seed).train.clips for seed in range(8)}
    assert len(drawn) > 1
    assert len(_sad(make_rare(split, "emotion", "sad", 3, 0).train)) == 3
    assert make_rare(split, "emotion", "sad", 13, 0).train == split.train


def test_invalid_arguments_are_refused(split):
    with pytest.raises(InputError, match=r"1 and 13.*clips=14"):
        make_rare(split, "emotion", "sad", 14, 0)
    with pytest.raises(InputError, match=r"clips=0"):
        make_rare(split, "emotion", "sad", 0, 0)
    with pytest.raises(InputError, match=r"angry, sad\..*label='happy'"):
        make_rare(split, "emotion", "happy", 3, 0)
