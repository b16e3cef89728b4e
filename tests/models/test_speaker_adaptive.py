import itertools

import keras
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from serkit.datasets.splits import Speakers
from serkit.errors import InputError, LeakError
from serkit.models.speaker_adaptive import (
    UNKNOWN,
    SpeakerAdaptiveLDA,
    fit_speaker_adaptive_lda,
)
from serkit.training.examples import Examples

CLASSES, WIDTH = 3, 64


def _voices(rng, count: int, clips: int, spread: float = 0.4):
    """Features of speakers who differ more than classes do, and less than clips of a speaker.

    The variances are about those of an encoder's features of RAVDESS, on components.
    """
    means = np.random.default_rng(7).normal(0, 0.3, (CLASSES, WIDTH))
    labels = np.tile(np.arange(clips) % CLASSES, (count, 1))
    offsets = rng.normal(0, spread, (count, 1, WIDTH))
    return (means[labels] + offsets + rng.normal(size=(count, clips, WIDTH))).astype("f4"), labels


@pytest.fixture(scope="module")
def classifier() -> SpeakerAdaptiveLDA:
    features, labels = _voices(np.random.default_rng(0), 20, 60)
    names = [f"speaker {number}" for number in range(20) for _ in range(60)]
    return _fit(features.reshape(-1, WIDTH), labels.ravel(), names)


def _fit(features, labels, names, classes=CLASSES) -> SpeakerAdaptiveLDA:
    speakers = Speakers(frozenset(names), frozenset({"val"}), frozenset({"test"}))
    train = Examples(features, frozenset(names), labels)
    return fit_speaker_adaptive_lda(train, names, speakers, classes)


def _unknown(count: int) -> np.ndarray:
    return np.full(count, UNKNOWN)


def test_told_classes_give_the_posterior_of_the_joint_normal_distribution():
    """SciPy's density of all clips together, in which they share the speaker's offset."""
    rng = np.random.default_rng(1)
    model = SpeakerAdaptiveLDA(4, 4, CLASSES)
    means, variances = rng.normal(size=(CLASSES, 4)), np.array([0.1, 1.0, 3.0, 0.0])
    model.set_weights([np.zeros(4), np.eye(4), np.zeros(4), means, variances])
    enrolled, told, clip = rng.normal(size=(5, 4)), np.array([0, 2, 2, 1, 0]), rng.normal(size=4)
    log_densities = []
    for label in range(CLASSES):
        clips, labels = np.vstack([enrolled, clip]), np.append(told, label)
        log_densities.append(
            sum(
                multivariate_normal.logpdf(
                    clips[:, component] - means[labels, component],
                    cov=np.eye(6) + variance * np.ones((6, 6)),
                )
                for component, variance in enumerate(variances)
            )
        )
    logits = model(clip[np.newaxis].astype("f4"), model.enroll(enrolled.astype("f4"), told))[0]
    np.testing.assert_allclose(
        logits - np.mean(logits), log_densities - np.mean(log_densities), atol=1e-4
    )


def test_nobody_enrolled_is_an_unknown_speaker(classifier):
    features, _ = _voices(np.random.default_rng(2), 1, 6)
    nobody = classifier.enroll(features[0], _unknown(6), np.zeros(6, bool))
    np.testing.assert_array_equal(nobody, np.zeros(classifier.shape))
    np.testing.assert_array_equal(classifier(features[0]), classifier(features[0], nobody))


def test_the_more_clips_the_better_even_without_their_classes(classifier):
    features, labels = _voices(np.random.default_rng(3), 60, 60)
    accuracies = []
    for count in (0, 3, 30):
        right = 0
        for own, truth in zip(features, labels, strict=True):
            speaker = classifier.enroll(own[:count], _unknown(count))
            right += np.sum(np.argmax(classifier(own[30:], speaker), axis=1) == truth[30:])
        accuracies.append(right / labels[:, 30:].size)
    assert accuracies[0] < accuracies[1] < accuracies[2]


def test_clips_of_one_class_do_less_harm_than_their_mean(classifier):
    """Taken for the mean of the voice, the mean of such clips would hide their class."""
    features, labels = _voices(np.random.default_rng(4), 60, 60)
    centre = np.random.default_rng(7).normal(0, 0.3, (CLASSES, WIDTH)).mean(axis=0)
    right = {"unknown": 0, "mean": 0, "enrolled": 0}
    for own, truth in zip(features, labels, strict=True):
        enrolled, scored = own[:30][truth[:30] == 0], own[30:]
        speaker = classifier.enroll(enrolled, _unknown(len(enrolled)))
        shifted = scored - enrolled.mean(axis=0) + centre.astype("f4")
        logits = {
            "unknown": classifier(scored),
            "mean": classifier(shifted),
            "enrolled": classifier(scored, speaker),
        }
        for name, values in logits.items():
            right[name] += np.sum(np.argmax(values, axis=1) == truth[30:])
    loss = {name: right["unknown"] - right[name] for name in ("mean", "enrolled")}
    assert loss["enrolled"] < loss["mean"] / 2


def test_each_row_may_have_its_own_speaker(classifier):
    features, _ = _voices(np.random.default_rng(5), 2, 10)
    speakers = [classifier.enroll(own[:5], _unknown(5)) for own in features]
    alone = [
        classifier(own[5:6], speaker)[0] for own, speaker in zip(features, speakers, strict=True)
    ]
    together = classifier(features[:, 5], np.stack(speakers))
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-5)


def test_order_and_unused_clips_do_not_matter(classifier):
    features, _ = _voices(np.random.default_rng(6), 1, 6)
    expected = classifier.enroll(features[0][:4], _unknown(4))
    padded = np.concatenate([features[0][:4][::-1], np.full((2, WIDTH), 100, "f4")])
    found = classifier.enroll(padded, _unknown(6), np.arange(6) < 4)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_units_of_features_do_not_matter():
    features, labels = _voices(np.random.default_rng(0), 6, 20)
    names = [str(number) for number in range(6) for _ in range(20)]
    flat, labels = features.reshape(-1, WIDTH), labels.ravel()
    scaled = (flat * 10.0 ** (np.arange(WIDTH) % 8 - 4.0) + 3).astype("f4")
    pair = [_fit(rows, labels, names)(rows) for rows in (flat, scaled)]
    np.testing.assert_allclose(*pair, rtol=1e-2, atol=1e-2)


def test_it_is_saved_in_a_keras_model(classifier, tmp_path):
    inputs = keras.Input((WIDTH,))
    keras.Model(inputs, classifier(inputs)).save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras").layers[-1]
    features, _ = _voices(np.random.default_rng(8), 1, 6)
    for each in (classifier, loaded):
        assert each.enroll(features[0], _unknown(6)).shape == each.shape
    np.testing.assert_array_equal(
        classifier.enroll(features[0], _unknown(6)), loaded.enroll(features[0], _unknown(6))
    )


def test_speakers_of_other_partitions_are_refused():
    features, labels = _voices(np.random.default_rng(0), 2, 9)
    speakers = Speakers(frozenset({"a"}), frozenset({"b"}), frozenset({"c"}))
    train = Examples(features.reshape(-1, WIDTH), frozenset({"a"}), labels.ravel())
    with pytest.raises(LeakError):
        fit_speaker_adaptive_lda(train, ["a"] * 9 + ["b"] * 9, speakers, CLASSES)


@pytest.mark.parametrize(
    ("names", "classes", "message"),
    [
        (["a"] * 18, 3, "two or more speakers"),
        ([str(number) for number in range(18)], 3, "two examples on average"),
        (["a", "b"] * 4, 3, "name for each example"),
        (["a", "b"] * 9, 4, "example of each class"),
    ],
)
def test_too_little_is_named(names, classes, message):
    features, labels = _voices(np.random.default_rng(0), 2, 9)
    with pytest.raises(InputError, match=message):
        _fit(features.reshape(-1, WIDTH), labels.ravel(), names, classes)


def test_fitting_is_deterministic():
    features, labels = _voices(np.random.default_rng(0), 4, 9)
    names = [str(number) for number in range(4) for _ in range(9)]
    first, second = (_fit(features.reshape(-1, WIDTH), labels.ravel(), names) for _ in range(2))
    for one, other in itertools.zip_longest(first.get_weights(), second.get_weights()):
        np.testing.assert_array_equal(one, other)
