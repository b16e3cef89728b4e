import pandas as pd
import pytest

from serkit.audio.augmentation import WaveAugmentation
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.datasets.corpus import Clip, Corpus
from serkit.datasets.protocols import hold_out
from serkit.errors import DivergedError, InputError
from serkit.files import read_json
from serkit.studies.tuning.inner import (
    MeanOverFolds,
    _require_training_speakers,
    inner_folds,
)
from serkit.studies.tuning.records import TrialFailedError

SPEC = SpectrogramSpec(frames=32, bins=16)
_HELD_OUT = ("validation", "test")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Folder of a search; its spectrograms are computed once."""
    return tmp_path_factory.mktemp("search")


def test_each_training_speaker_is_tested_in_one_fold(synthetic_root, synthetic_corpus, folder):
    folds = inner_folds([synthetic_root], "emotion", SPEC, 3, 0, folder)
    outer = hold_out(synthetic_corpus, "emotion", 0)
    tested = [speaker for partitions in folds for speaker in partitions.split.test.speakers()]
    assert sorted(tested) == sorted(outer.speakers.train)
    for partitions in folds:
        known = [part.speakers() for part in partitions.split.partitions().values()]
        assert not set.union(*map(set, known)) & (outer.speakers.validation | outer.speakers.test)
    written = read_json(folder / "split.json")["parts"]
    assert written["train"]["speakers"] == sorted(outer.speakers.train)


def test_folds_with_live_spectrograms(synthetic_root, folder):
    live = WaveAugmentation(shift=0.1)
    for partitions in inner_folds([synthetic_root], "emotion", SPEC, 3, 0, folder, live=live):
        assert partitions.to_fit(partitions.split.train).spectrograms.augmentation == live


def test_too_few_training_speakers_are_counted_and_named(synthetic_root, folder):
    with pytest.raises(InputError, match=r"`folds` .* 14.*ravdess-.* 23 .* 15\.") as found:
        inner_folds([synthetic_root], "emotion", SPEC, 15, 0, folder)
    assert str(found.value).count("-") >= 14


def test_halves_need_two_speakers_for_each_fold(synthetic_root, folder):
    given = ([synthetic_root], "gender_emotion", SPEC)
    folds = inner_folds(*given, 3, 0, folder, halves=True)
    held_out = [f.partitions()[name] for f in (p.split for p in folds) for name in _HELD_OUT]
    speakers = [speaker for clips in held_out for speaker in clips.speakers()]
    assert len(folds) == 3
    assert len(speakers) == len(set(speakers)) == 14
    with pytest.raises(InputError, match=r"`folds` must be at most 7, .* 14 .*needs 2\. .*: 8\."):
        inner_folds(*given, 8, 0, folder, halves=True)


def test_without_enough_speakers_for_two_folds_folds_are_not_to_blame(folder):
    clips = [
        Clip(f"{s}{e}", "c", f"s{s}", "male", e, e) for s in range(5) for e in ("happy", "sad")
    ]
    corpus = Corpus(tuple(clips))
    split = hold_out(corpus, "emotion", 0)
    with pytest.raises(InputError, match=r"4 or more speakers for 2 folds\. Received: 3 .* 5 sp"):
        _require_training_speakers(corpus, split, 2, halves=True)


def test_the_class_is_checked_before_the_folds(synthetic_root, folder):
    with pytest.raises(InputError, match=r"`label` must be one of: .*: label='female_foo'\."):
        inner_folds(
            [synthetic_root], "gender_emotion", SPEC, 99, 0, folder, label="female_foo", halves=True
        )


class _Three(MeanOverFolds):
    name, goal = "x", "max"
    baseline, folds = None, (1.0, 2.0, 6.0)

    def __init__(self, fails=None):
        self.asked, self.fails = [], fails

    def measure_fold(self, fold, settings, fraction, folder, verbose):
        self.asked.append(fold)
        if fold == self.fails:
            raise DivergedError("step 3: loss is nan")
        return {"score": fold * fraction, "other": settings}


def test_a_score_is_the_mean_over_folds(tmp_path):
    objective = _Three()
    objective.prepare()
    found = objective.score(5.0, 0.5, tmp_path)
    assert (found.score, found.folds, found.details) == (1.5, (0.5, 1.0, 3.0), {"other": 5.0})


def test_a_resumed_trial_repeats_no_fold(tmp_path):
    first = _Three()
    whole = first.score(5.0, 1.0, tmp_path)
    (tmp_path / "fold-3.csv").unlink()
    again = _Three()
    assert again.score(5.0, 1.0, tmp_path) == whole
    assert again.asked == [6.0]
    assert pd.read_csv(tmp_path / "fold-3.csv")["score"].tolist() == [6.0]


def test_a_training_run_that_diverges_fails_the_trial(tmp_path):
    with pytest.raises(TrialFailedError, match="fold 2: step 3: loss is nan"):
        _Three(fails=2.0).score(5.0, 1.0, tmp_path)
