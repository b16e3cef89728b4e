import re

import keras
import numpy as np
import pytest

from serkit.augmentation.sample_filter import SampleFilter
from serkit.errors import InputError, LeakError, SerkitError
from serkit.metrics.fidelity import kid
from serkit.training.examples import Examples
from serkit.training.uar import UnweightedAverageRecall

CLASSES = ("angry", "happy", "sad")
SECOND = (-0.7, -0.1, 0.1, 0.7)
VOICES = ("ann", "ann", "bob", "bob", *["cid"] * 4)


@pytest.fixture
def real(pictures) -> Examples:
    """Four angry clips of ann and bob, four happy ones of cid; both deviations are 0.5."""
    clips = pictures(*[(0.5, value) for value in SECOND], *[(-0.5, value) for value in SECOND])
    return Examples(clips, frozenset(VOICES), np.repeat([0, 1], 4))


def test_verdicts_by_hand(sample_filter, pictures):
    """Copies of (1/2, 1/2) and (1/8, 0) begin at 1/4; below 0 the classifier says happy."""
    samples = {
        (0.5, 0.5): (True, False),
        (0.5, 0.75): (True, False),
        (0.5, 0.8125): (False, False),
        (-0.5, 0.5): (False, True),
        (-0.0625, 0): (True, True),
    }
    found = sample_filter.verdicts(pictures(*samples), "angry")
    assert list(zip(found.copies, found.refused, strict=True)) == list(samples.values())
    assert found.accepted.tolist() == [False, False, True, False, False]


def test_only_clips_of_the_same_class_are_copied(sample_filter, pictures):
    """As happy ones: an exact copy, one beside it, and two copies of angry clips."""
    found = sample_filter.verdicts(
        pictures((-0.5, 0), (-0.5, 2**-9), (0.5, 0.5), (0.125, 0)), "happy"
    )
    assert found.copies.tolist() == [True, False, False, False]
    assert found.refused.tolist() == [False, False, True, True]
    assert found.accepted.tolist() == [False, True, False, False]


def test_a_class_without_training_clips_cannot_be_judged(sample_filter, pictures):
    for call in (
        lambda: sample_filter.verdicts(pictures((1, 1)), "sad"),
        lambda: sample_filter.kid_of("sad"),
    ):
        with pytest.raises(InputError, match=r"angry, happy.*label='sad'"):
            call()


@pytest.mark.parametrize(("quantile", "reach"), [(0.05, 0.2), (1.0, 0.8)])
def test_copies_begin_where_clips_of_other_speakers_lie(
    classifier, real, speakers, pictures, quantile, reach
):
    """In pictures' units ann's clips are 0.8 and 0.2 from bob's, and his from hers."""
    sample_filter = SampleFilter.fit(classifier, real, VOICES, CLASSES, speakers, quantile)
    near, far = reach - 0.01, reach + 0.01
    samples = [(0.5, -0.7 - near), (0.5 + near, 0.7), (0.5, -0.7 - far), (0.5 + far, 0.7)]
    found = sample_filter.verdicts(pictures(*samples), "angry")
    assert found.copies.tolist() == [True, True, False, False]
    assert not found.refused.any()


def test_of_one_speakers_class_only_exact_copies_are_rejected(classifier, real, speakers, pictures):
    sample_filter = SampleFilter.fit(classifier, real, VOICES, CLASSES, speakers)
    assert sample_filter.verdicts(real.spectrograms[4:], "happy").copies.all()
    nearly = pictures(*[(-0.5, value + 1e-3) for value in SECOND])
    assert sample_filter.verdicts(nearly, "happy").accepted.all()


def test_it_knows_how_many_clips_a_class_has(classifier, real, speakers):
    some = Examples(real.spectrograms[:6], real.speakers, real.labels[:6])
    sample_filter = SampleFilter.fit(classifier, some, VOICES[:6], CLASSES, speakers)
    assert sample_filter.clips == {"angry": 4, "happy": 2}


def test_a_voice_that_is_not_for_training_is_refused(classifier, real, speakers):
    leaky = Examples(real.spectrograms, real.speakers | {"tim"}, real.labels)
    with pytest.raises(LeakError, match="not training speakers: tim"):
        SampleFilter.fit(classifier, leaky, VOICES, CLASSES, speakers)


def test_each_clip_needs_a_speaker_and_a_label(classifier, real, speakers):
    with pytest.raises(InputError, match=r"8 clips.* 7 speakers, 8 labels"):
        SampleFilter.fit(classifier, real, VOICES[1:], CLASSES, speakers)
    bare = Examples(real.spectrograms, real.speakers)
    with pytest.raises(InputError, match=r"8 clips.* 8 speakers, no labels"):
        SampleFilter.fit(classifier, bare, VOICES, CLASSES, speakers)


def test_kid_is_taken_of_the_scaled_features_of_one_class(classifier, real, speakers, pictures):
    """Scaled, both features are twice what they are in the pictures."""
    sample_filter = SampleFilter.fit(classifier, real, VOICES, CLASSES, speakers)
    pairs = np.array([(0.5, 0.3), (0.2, -0.3), (-0.1, 0.1), (0.5, -0.7)])
    for label, first in (("angry", 0.5), ("happy", -0.5)):
        clips = np.array([(first, value) for value in SECOND])
        found = sample_filter.kid_of(label)(pictures(*pairs))
        assert found == {"kid": pytest.approx(kid(2 * clips, 2 * pairs)[0], rel=1e-5)}


def test_a_judge_from_disk_says_the_same(classifier, real, speakers, rng, tmp_path):
    sample_filter = SampleFilter.fit(classifier, real, VOICES, CLASSES, speakers)
    sample_filter.save(tmp_path / "judge")
    loaded = SampleFilter.load(tmp_path / "judge")
    assert loaded.clips == sample_filter.clips
    assert loaded.classes == CLASSES
    samples = rng.uniform(-1, 1, (300, 2, 2, 1)).astype("float32")
    samples[:8] = real.spectrograms
    for label in ("angry", "happy"):
        before, after = sample_filter.verdicts(samples, label), loaded.verdicts(samples, label)
        assert 0 < before.copies.sum() < before.refused.sum() < 300
        np.testing.assert_array_equal(after.copies, before.copies)
        np.testing.assert_array_equal(after.refused, before.refused)
        assert loaded.kid_of(label)(samples) == sample_filter.kid_of(label)(samples)


def test_a_feature_that_was_left_out_stays_out(classifier, speakers, pictures, tmp_path):
    clips = pictures((0.5, 0.3), (0.75, 0.3), (1, 0.3))
    real = Examples(clips, frozenset({"cid"}), np.zeros(3, int))
    SampleFilter.fit(classifier, real, ["cid"] * 3, CLASSES, speakers).save(tmp_path)
    found = SampleFilter.load(tmp_path).verdicts(pictures((0.5, -0.3), (0.6, 0.3)), "angry")
    assert found.copies.tolist() == [True, False]


def test_it_needs_nothing_that_its_classifier_was_trained_with(
    sample_filter, tmp_path, monkeypatch
):
    """As in a process that trains nothing, where nobody has told Keras of serkit's metric."""
    sample_filter.classifier.compile(loss="mse", metrics=[UnweightedAverageRecall(3)])
    sample_filter.save(tmp_path)
    known = keras.saving.get_custom_objects()
    for name in [name for name, value in known.items() if value is UnweightedAverageRecall]:
        monkeypatch.delitem(known, name)
    with pytest.raises(TypeError, match="UnweightedAverageRecall"):
        keras.models.load_model(tmp_path / "classifier.keras")
    assert SampleFilter.load(tmp_path).classes == CLASSES


def _cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _overwrite(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + b"\xff" * 64 + data[middle + 64 :]


@pytest.mark.parametrize("name", ["classifier.keras", "judge.npz"])
@pytest.mark.parametrize(
    "damage", [None, _cut, _overwrite, lambda data: b"", lambda data: b"x" * 99]
)
def test_a_sample_filter_that_is_incomplete_is_not_read(sample_filter, tmp_path, name, damage):
    sample_filter.save(tmp_path / "a")
    path = tmp_path / "a" / name
    data = path.read_bytes()
    path.unlink()
    if damage:
        path.write_bytes(damage(data))
    with pytest.raises(
        SerkitError, match=f"no sample filter.* from {re.escape(str(path.parent))}: "
    ):
        SampleFilter.load(path.parent)


def test_nor_one_that_is_not_there(tmp_path):
    with pytest.raises(SerkitError, match=re.escape(str(tmp_path / "gone"))):
        SampleFilter.load(tmp_path / "gone")


def test_nor_one_whose_classifier_is_another(sample_filter, classifier, tmp_path):
    """As after a kill between its two files."""
    sample_filter.save(tmp_path)
    first = classifier.trainable_variables[0]
    first.assign(first + 1.0)
    classifier.save(tmp_path / "classifier.keras")
    with pytest.raises(SerkitError, match=r"judge\.npz belongs to another"):
        SampleFilter.load(tmp_path)
