import numpy as np
import pytest

from serkit.errors import InputError
from serkit.metrics.calibration import (
    adaptive_calibration_error,
    classwise_calibration_error,
    reliability,
    softmax,
)


def test_by_hand():
    sure = np.array([0.95, 0.95, 0.65, 0.65])
    found = reliability(np.stack([sure, 1 - sure], axis=1), np.array([0, 1, 0, 0]))
    assert found.counts == (0, 0, 0, 0, 0, 0, 2, 0, 0, 2)
    assert (found.confidence[6], found.accuracy[6]) == (pytest.approx(0.65), 1.0)
    assert found.accuracy[9] == 0.5
    assert found.confidence[0] is None
    # Half of the clips are off by 0.35, half by 0.45.
    assert found.ece == pytest.approx(0.40)


def test_calibrated_probabilities_have_no_error(rng):
    sure = rng.uniform(0.5, 1, 50_000)
    truth = (rng.random(50_000) > sure).astype(int)
    found = reliability(np.stack([sure, 1 - sure], axis=1), truth)
    assert found.ece < 0.01


def test_lengths_must_fit():
    with pytest.raises(InputError, match=r"`truth`.* 2 and 1"):
        reliability(np.full((2, 2), 0.5), np.array([0]))


def test_a_class_that_was_not_known_gets_nothing():
    found = softmax(np.array([[0.0, np.nan, 0.0], [1000.0, 0.0, 0.0]]))
    np.testing.assert_allclose(found, [[0.5, 0, 0.5], [1, 0, 0]], atol=1e-12)


def test_adaptive_error_by_hand():
    sure = np.array([0.9, 0.9, 0.6, 0.6])
    probabilities = np.stack([sure, 1 - sure], axis=1)
    # Two bins of two: the less sure are 0.6 - 1, the surer 0.9 - 0.5.
    found = adaptive_calibration_error(probabilities, np.array([0, 1, 0, 0]), bins=2)
    assert found == pytest.approx(0.4)


def test_classwise_error_by_hand():
    probabilities = np.array([[0.8, 0.15, 0.05], [0.8, 0.15, 0.05]])
    # Class 0 is off by 0.3 on average, class 1 by 0.35, class 2 by 0.05.
    found = classwise_calibration_error(probabilities, np.array([0, 1]), bins=10)
    assert found == pytest.approx((0.3 + 0.35 + 0.05) / 3)


@pytest.mark.parametrize("measure", [adaptive_calibration_error, classwise_calibration_error])
def test_true_probabilities_have_no_error_and_sure_ones_do(rng, measure):
    probabilities = rng.dirichlet(np.ones(4), 40_000)
    truth = (probabilities.cumsum(axis=1) < rng.random((40_000, 1))).sum(axis=1)
    assert measure(probabilities, truth) < 0.01
    surer = probabilities**3 / (probabilities**3).sum(axis=1, keepdims=True)
    assert measure(surer, truth) > 0.05


@pytest.mark.parametrize("measure", [adaptive_calibration_error, classwise_calibration_error])
def test_errors_refuse(measure):
    with pytest.raises(InputError, match=r"`truth`.* 2 and 1"):
        measure(np.full((2, 2), 0.5), np.array([0]))
    with pytest.raises(InputError, match="bins=0"):
        measure(np.full((2, 2), 0.5), np.array([0, 1]), bins=0)
