import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss

from serkit.errors import InputError
from serkit.metrics.calibration import brier, negative_log_likelihood


def test_by_hand():
    probabilities = np.array([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0]])
    assert negative_log_likelihood(probabilities, [0, 1]) == pytest.approx(np.log(2) / 2)
    assert brier(probabilities, [0, 2]) == pytest.approx((0.25 + 0.125 + 2) / 2)


def test_beside_scikit_learn(rng):
    probabilities = rng.dirichlet(np.ones(2), 200)
    truth = rng.integers(0, 2, 200)
    expected = log_loss(truth, probabilities)
    assert negative_log_likelihood(probabilities, truth) == pytest.approx(expected)
    # Of two classes it counts one of them alone.
    expected = 2 * brier_score_loss(truth, probabilities[:, 1])
    assert brier(probabilities, truth) == pytest.approx(expected)


def test_being_surely_wrong_stays_finite():
    assert 20 < negative_log_likelihood(np.array([[1.0, 0.0]]), [1]) < 40


@pytest.mark.parametrize("measure", [brier, negative_log_likelihood])
def test_refuses(measure):
    with pytest.raises(InputError, match=r"`truth`.* 2 and 1"):
        measure(np.full((2, 2), 0.5), [0])
    with pytest.raises(InputError, match=r"`truth`.* 0 and 0"):
        measure(np.zeros((0, 2)), [])
