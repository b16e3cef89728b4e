import keras
import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from serkit.training.uar import UnweightedAverageRecall


def test_by_hand():
    """Class 0: 2 of 3 right; class 1: none of 1; class 2 does not occur. Mean of 2/3 and 0."""
    metric = UnweightedAverageRecall(3)
    scores = np.eye(3)[[0, 0, 2, 0]]
    metric.update_state([0, 0, 0, 1], scores)
    assert float(metric.result()) == pytest.approx(1 / 3)


def test_equals_scikit_learn_over_several_batches(rng):
    metric = UnweightedAverageRecall(5)
    truth, scores = rng.integers(0, 5, 90), rng.random((90, 5))
    for start in range(0, 90, 40):
        metric.update_state(truth[start : start + 40], scores[start : start + 40])
    expected = balanced_accuracy_score(truth, scores.argmax(axis=1))
    assert float(metric.result()) == pytest.approx(expected)
    metric.reset_state()
    assert float(metric.result()) == 0


def test_the_largest_of_soft_labels_counts():
    metric = UnweightedAverageRecall(3)
    shares = np.array([[0.7, 0.3, 0.0], [0.9, 0.0, 0.1], [0.4, 0.0, 0.6]])
    metric.update_state(shares, np.eye(3)[[0, 1, 2]])
    assert float(metric.result()) == pytest.approx(0.75)


def test_sample_weights_count():
    metric = UnweightedAverageRecall(2)
    metric.update_state([0, 0], np.eye(2)[[0, 1]], sample_weight=[3, 1])
    assert float(metric.result()) == pytest.approx(0.75)


def test_config_round_trip():
    metric = UnweightedAverageRecall(4, name="recall")
    again = keras.metrics.deserialize(keras.metrics.serialize(metric))
    assert (again.classes, again.name) == (4, "recall")
