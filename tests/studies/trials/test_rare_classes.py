import numpy as np
import pytest

from serkit.errors import InputError
from serkit.models.fitting import FitSettings
from serkit.studies.rare_classes import RareClasses, RareClassesSettings

# Other tests use the same code with the newest TensorFlow.
pytestmark = pytest.mark.slow
LABEL = "male_neutral"
SETTINGS = RareClassesSettings(
    (LABEL,), clips=9, judged=14, fit=FitSettings(epochs=1, steps_per_epoch=2, batch_size=8)
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("trial")


@pytest.fixture(scope="module")
def trial(synthetic_root, folder) -> RareClasses:
    return RareClasses.of_recordings([synthetic_root], SETTINGS, folder)


def test_the_class_is_rare_in_training_and_whole_elsewhere(trial):
    train, split = trial.partitions.split.train, trial.partitions.split
    assert train.counts("gender_emotion")[LABEL] == len(trial.real[LABEL]) == 9
    others = [part.counts("gender_emotion")[LABEL] for part in (split.validation, split.test)]
    assert len(trial.held_out[LABEL]) == sum(others) == 7
    assert len(trial.training) == len(train)
    assert split.left_out


def test_held_out_speakers_are_not_used_for_fitting(trial):
    training_speakers = trial.partitions.split.speakers.train
    assert trial.real[LABEL].speakers <= trial.training.speakers == training_speakers
    assert trial.sample_filter.clips[LABEL] == 9


def test_fidelity_of_generated_sets_and_references(trial):
    rows = trial.fidelity(LABEL, {"copies": trial.real[LABEL].spectrograms.repeat(2, axis=0)})
    names = [row["set"] for row in rows]
    assert names == ["real", "noise", "blurred real", "oversampled real", "copies"]
    found = dict(zip(names, rows, strict=True))
    assert found["real"]["copying"] is None
    # The last bits of features, which differ by the place in a batch, may move one to another cell.
    oversampled = found["oversampled real"]["copying"]
    assert found["copies"]["copying"] == pytest.approx(oversampled, rel=0.05)
    assert oversampled < -2
    assert (found["copies"]["copies"], found["noise"]["copies"]) == (1.0, 0.0)
    assert found["copies"]["refused"] == found["real"]["refused"]
    assert found["noise"]["count"] == 14


def test_a_second_trial_in_the_folder_is_the_same(trial, synthetic_root, folder):
    again = RareClasses.of_recordings([synthetic_root], SETTINGS, folder)
    np.testing.assert_array_equal(again.held_out[LABEL], trial.held_out[LABEL])
    assert again.fidelity(LABEL, {}) == trial.fidelity(LABEL, {})


def test_an_unknown_class_is_refused(synthetic_root, tmp_path):
    with pytest.raises(InputError, match=r"male_neutral.*label='calm'"):
        RareClasses.of_recordings([synthetic_root], RareClassesSettings(("calm",)), tmp_path)
    of_emotions = RareClassesSettings((LABEL,), label_set="emotion")
    with pytest.raises(InputError, match=rf" neutral.*label='{LABEL}'"):
        RareClasses.of_recordings([synthetic_root], of_emotions, tmp_path)


def test_samples_replace_the_clips_of_a_class(trial, monkeypatch):
    """The classifier gets 5 samples in place of 9 clips, and all clips of other classes."""
    seen = {}

    def fit(model, train, validation, *args, **options):
        seen.update(train=train, validation=validation)

    monkeypatch.setattr("serkit.augmentation.reference_classifier.fit_classifier", fit)
    number = trial.partitions.classes.index(LABEL)
    scores = trial.accuracy_score("noise", {LABEL: trial.real[LABEL].spectrograms[:5]})
    counts, before = (np.bincount(e.labels) for e in (seen["train"], trial.training))
    before[number] = 5
    np.testing.assert_array_equal(counts, before)
    test = trial.partitions.split.test
    assert np.sum(scores.confusion) == len(test)
    assert seen["validation"].speakers == trial.partitions.split.speakers.validation


def test_copies_are_nearest_to_training_clips(trial):
    """28 by 28 means that are all 0.01 higher are at a distance of 0.28."""
    real = trial.real[LABEL].spectrograms
    sets = {"copies": real[:5], "brighter": real[:5] + 0.01}
    rows = {row["set"]: row for row in trial.nearest(LABEL, sets)}
    others = ["unseen, same speakers", "unseen, other speakers"]
    assert list(rows) == ["real", *others, "copies", "brighter"]
    assert rows["unseen, same speakers"]["count"] == len(trial.partitions.split.left_out)
    assert rows["unseen, other speakers"]["count"] == 7
    assert [rows["copies"][name] for name in ("least", "lowest", "median")] == [0.0] * 3
    assert rows["brighter"]["median"] == pytest.approx(0.28, rel=1e-3)
    # The nearest of two is at least as near to the other.
    assert 0.28 < rows["real"]["least"] <= rows["real"]["lowest"] <= rows["real"]["median"]
