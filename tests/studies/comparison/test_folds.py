from dataclasses import replace

import numpy as np
import pytest

from serkit.errors import InputError
from serkit.studies.folds import make_folds


@pytest.fixture
def views(synthetic_corpus):
    return {1.0: _Spectrograms(len(synthetic_corpus))}


class _Spectrograms(np.ndarray):
    """As many numbers as clips, which can be selected like rows on disk."""

    def __new__(cls, count):
        return np.arange(count, dtype="float32").reshape(count, 1, 1, 1).view(cls)

    def select(self, index):
        return self[index]


@pytest.fixture
def folds_of(settings_of, views):
    def make(corpus, **changed):
        return list(make_folds(settings_of("x", **changed), corpus, views))

    return make


def test_every_clip_is_tested_once_and_no_speaker_is_on_both_sides(synthetic_corpus, folds_of):
    folds = folds_of(synthetic_corpus)
    tested = [clip.path for fold in folds for clip in fold.split.test.clips]
    assert sorted(tested) == sorted(clip.path for clip in synthetic_corpus.clips)
    assert not any(fold.split.speakers.shared() for fold in folds)
    assert [fold.number for fold in folds] == [1, 2, 3]


def test_both_protocols_are_run_and_the_leaky_one_says_so(synthetic_corpus, folds_of):
    folds = folds_of(synthetic_corpus, protocol="both")
    assert [(fold.protocol, fold.split.leaky) for fold in folds] == [
        *[("k-fold", False)] * 3,
        *[("random", True)] * 3,
    ]


def test_a_class_is_made_rare_in_training_alone_and_filled_up(synthetic_corpus, folds_of):
    plain = folds_of(synthetic_corpus, rare_below=0.0)
    thinned = folds_of(synthetic_corpus, rarify=(("sad", 0.25),), filled_to=0.5)
    for before, after in zip(plain, thinned, strict=True):
        assert before.plan == {}
        whole, counts = (fold.split.train.counts("emotion") for fold in (before, after))
        assert counts["sad"] == round(0.25 * whole["sad"])
        assert after.plan["sad"] == round(0.5 * max(counts.values())) - counts["sad"]
        assert after.split.test == before.split.test
        assert after.split.validation == before.split.validation


def test_a_class_is_left_with_a_number_of_clips(synthetic_corpus, folds_of):
    for fold in folds_of(synthetic_corpus, rarify=(("sad", 7.0),)):
        assert fold.split.train.counts("emotion")["sad"] == 7


def test_the_reports_plan_and_the_first_folds_alone(synthetic_corpus, folds_of):
    (fold,) = folds_of(
        synthetic_corpus, plan="report", label_set="gender_emotion", first_folds=1, folds=3
    )
    assert fold.split.detail == "fold 1 of 3"
    assert fold.plan["male_surprise"] == fold.plan["female_surprise"] == 400
    assert fold.plan["male_sad"] == 250
    assert all(fold.plan == {} for fold in folds_of(synthetic_corpus, plan="report"))


def test_what_cannot_be_rare_is_refused(synthetic_corpus, folds_of):
    with pytest.raises(InputError, match=r"rarify.*angry.*joy"):
        folds_of(synthetic_corpus, rarify=(("joy", 0.5),))
    with pytest.raises(InputError, match=r"`rarify`.*sad.*0\.001"):
        folds_of(synthetic_corpus, rarify=(("sad", 0.001),))
    with pytest.raises(InputError, match=r"`rarify`.*number up to (\d+), for sad.*Received: 1000"):
        folds_of(synthetic_corpus, rarify=(("sad", 1000.0),))


def test_one_class_is_refused(synthetic_corpus, folds_of):
    sad = synthetic_corpus.where(lambda clip: clip.emotion == "sad")
    with pytest.raises(InputError, match=r"`roots`.*sad"):
        folds_of(sad)


def test_without_a_corpus_what_only_it_has_is_not_tested(synthetic_corpus, folds_of):
    odd = synthetic_corpus.clips[0].corpus
    clips = tuple(
        replace(clip, emotion="odd") if clip.corpus == odd and clip.emotion == "sad" else clip
        for clip in synthetic_corpus.clips
    )
    corpus = replace(synthetic_corpus, clips=clips)
    folds = folds_of(corpus, protocol="leave-one-corpus-out")
    assert len(folds) == len({clip.corpus for clip in clips})
    without = next(fold for fold in folds if fold.split.detail == f"without {odd}")
    assert {clip.corpus for clip in without.split.test.clips} == {odd}
    assert "odd" not in without.classes
    assert without.partitions.classes == without.classes
    assert without.training_clips("sad") == without.partitions.training_clips("sad")
    assert "odd" not in without.split.test.counts("emotion")
    # Spectrograms are still those of the clips.
    places = [clips.index(clip) for clip in without.split.test.clips]
    np.testing.assert_array_equal(
        without.partitions.spectrograms(without.split.test).ravel(), places
    )
