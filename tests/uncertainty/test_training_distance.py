import numpy as np
import pytest
import tensorflow as tf
from sklearn.preprocessing import StandardScaler

from serkit.errors import InputError
from serkit.uncertainty.ood import TrainingDistance


@pytest.fixture
def clips():
    rng = np.random.default_rng(0)
    speakers = np.repeat(["ann", "bob", "cid"], [5, 9, 6])
    return rng.normal(3, 10.0 ** rng.uniform(-2, 2, 8), (20, 8)).astype("f4"), speakers


def test_scores_are_those_of_scikit_learns_scaler(clips):
    features, speakers = clips
    distance = TrainingDistance.fit(features, speakers)
    others = np.concatenate([features, features + 5]).astype(np.float64)
    standardised = StandardScaler().fit(features.astype(np.float64)).transform(others)
    np.testing.assert_allclose(
        distance.ood_score(others), (standardised**2).mean(axis=1), rtol=1e-6
    )
    assert distance.ood_score(features).mean() == pytest.approx(1.0)


def test_the_threshold_is_the_largest_score_of_a_speaker_left_out(clips):
    features, speakers = clips
    largest = 0.0
    for name in set(speakers):
        scaler = StandardScaler().fit(features[speakers != name].astype(np.float64))
        scores = (scaler.transform(features[speakers == name]) ** 2).mean(axis=1)
        largest = max(largest, scores.max())
    assert TrainingDistance.fit(features, speakers).threshold == pytest.approx(largest)


def test_a_graph_compares_the_same_scores(clips):
    features, speakers = clips
    distance = TrainingDistance.fit(features, speakers)
    factors = np.linspace(0, 9, 20, dtype="f4")[:, np.newaxis]
    moved = features + factors * features.std(axis=0)
    found = tf.function(distance.is_far)(tf.constant(moved)).numpy()
    np.testing.assert_array_equal(found, distance.ood_score(moved) > distance.threshold)
    assert set(found) == {True, False}


def test_a_feature_that_never_varies_is_used_as_it_is():
    features = np.tile([[1.0, 2.0]], (4, 1))
    features[:, 1] += np.arange(4)
    distance = TrainingDistance.fit(features, ["ann", "bob"] * 2)
    assert np.isfinite(distance.ood_score(features)).all()
    features[0, 0] += 9
    assert distance.ood_score(features)[0] > 40


def test_one_speaker_is_too_few(clips):
    with pytest.raises(InputError, match="two or more speakers"):
        TrainingDistance.fit(clips[0], ["ann"] * 20)
