from dataclasses import replace

import numpy as np
import pytest

from serkit.audio.augmentation import WaveAugmentation
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.datasets.corpus import Corpus
from serkit.studies.comparison_inputs import InputsBySpeed
from serkit.training.spectrograms import compute_spectrograms

SPEC = SpectrogramSpec(frames=32, bins=16)


@pytest.fixture
def few(synthetic_corpus):
    return Corpus(synthetic_corpus.clips[:7], synthetic_corpus.roots)


@pytest.fixture
def views_of(settings_of, tmp_path):
    """Makes views in parts of four clips, if not otherwise said."""

    def make(corpus, arms=("none", "speed"), size=4):
        settings = replace(settings_of("x", arms=arms), spec=SPEC)
        arms_to_train = settings.arms_of("compact")
        speeds = dict.fromkeys(s for arm in arms_to_train for s in settings.speeds_of(arm))
        return InputsBySpeed(corpus, SPEC, speeds, tmp_path / "cache", clips_per_task=size)

    return make


def test_parts_are_of_all_clips_in_order_at_each_speed_that_an_arm_needs(few, views_of):
    views = views_of(few)
    assert list(views) == [1.0, 0.9, 1.1]
    assert [part.first for part in views.tasks([1.1])] == [1, 5]
    clips = [clip for part in views.tasks([0.9]) for clip in part.clips.clips]
    assert clips == list(few.clips)
    assert list(views_of(few, ["none"])) == [1.0]
    assert views.task_folders([1.0, 0.9]) == tuple(part.folder for part in views.tasks([1.0, 0.9]))
    assert len({part.folder for part in views.tasks(views)}) == 6


def test_together_they_are_what_is_computed_at_once(few, views_of, tmp_path):
    views = views_of(few)
    for part in list(views.tasks([1.1]))[::-1]:
        part.run(0)
    expected = compute_spectrograms(few, SPEC, cache=tmp_path / "whole", speed=1.1)
    np.testing.assert_array_equal(views[1.1][:], expected[:])
    assert views[1.1] is views[1.1]
    # Nobody asked for the others.
    assert not any(part.is_done for part in views.tasks([1.0, 0.9]))
    # Who asks for what is missing, gets it.
    assert views[1.0].shape == (7, 32, 16, 1)
    one, other = views.live(WaveAugmentation()), views.live(WaveAugmentation(shift=0.1))
    assert one.waveforms is other.waveforms
    assert (len(one), other.is_random, one.is_random) == (7, True, False)
    np.testing.assert_array_equal(other[:], views[1.0][:])
