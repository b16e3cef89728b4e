import numpy as np
import pytest

from serkit.augmentation.sample_filter import Verdicts
from serkit.studies.generators import GeneratedSamples, gan_runs


@pytest.fixture
def training(pretended, fold, pretend, tmp_path):
    label = next(iter(fold.plan))
    training = gan_runs("dcgan", fold, pretended[0].settings, tmp_path)[label]
    training.run(0)
    return training


class _Filter:
    """Accepts every other sample, or none."""

    def __init__(self, key, nothing=False):
        self.key, self._nothing = key, nothing

    @property
    def sample_filter(self):
        return self

    def verdicts(self, spectrograms, label):
        refused = np.arange(len(spectrograms)) % 2 == 0
        refused |= self._nothing
        return Verdicts(np.zeros(len(spectrograms), bool), refused)


def test_as_many_as_are_requested_with_the_speakers_of_the_gan(training, fold, capsys):
    found = GeneratedSamples(training, training.name, 5, 3).examples(2)
    assert found.spectrograms.shape == (5, 224, 224, 1)
    assert found.labels.tolist() == [2] * 5
    assert found.speakers == fold.split.train.speakers()
    assert "5 samples, not filtered" in capsys.readouterr().out


def test_what_is_kept_is_not_sampled_again_and_fewer_are_the_first_ones(training, monkeypatch):
    first = GeneratedSamples(training, training.name, 5, 3).examples(0)
    monkeypatch.setattr("serkit.studies.generators.sample_filtered", None)
    fewer = GeneratedSamples(training, training.name, 2, 3).examples(0)
    np.testing.assert_array_equal(fewer.spectrograms, first.spectrograms[:2])


def test_more_are_sampled_where_more_are_wanted(training):
    few = GeneratedSamples(training, training.name, 2, 3).examples(0)
    more = GeneratedSamples(training, training.name, 6, 3).examples(0)
    assert len(more) == 6
    np.testing.assert_array_equal(more.spectrograms[:2], few.spectrograms)
    other = GeneratedSamples(training, training.name, 2, 4).examples(0)
    assert not np.array_equal(other.spectrograms, few.spectrograms)


def test_a_sample_filter_rejects_some_and_has_a_folder_of_its_own(training, capsys):
    free = GeneratedSamples(training, training.name, 4, 3)
    gated = GeneratedSamples(training, training.name, 4, 3, _Filter("k"))
    assert free.folder != gated.folder
    np.testing.assert_array_equal(
        gated.examples(0).spectrograms[:2], free.examples(0).spectrograms[[1, 3]]
    )
    assert "4 of 32 samples accepted" in capsys.readouterr().out


def test_accepted_samples_depend_on_the_requested_number_and_not_on_earlier_ones(training):
    few = GeneratedSamples(training, training.name, 2, 3, _Filter("k"))
    more = GeneratedSamples(training, training.name, 20, 3, _Filter("k"))
    assert [len(each.examples(0)) for each in (few, more)] == [2, 20]
    assert few.folder != more.folder


def test_if_all_samples_are_rejected_none_are_tried_again(training, fold, monkeypatch):
    closed = GeneratedSamples(training, training.name, 1, 3, _Filter("k", nothing=True))
    found = closed.examples(0)
    assert len(found) == 0
    assert found.speakers == fold.split.train.speakers()
    monkeypatch.setattr("serkit.studies.generators.sample_filtered", None)
    assert len(closed.examples(0)) == 0
