import numpy as np

from serkit.uncertainty.predictors import predict_samples


class _Fixed:
    def __init__(self, logits):
        self.logits, self.asked = np.asarray(logits, np.float32), None

    def predict_logits(self, x, n=30, seed=0):
        self.asked = (len(x), n, seed)
        return self.logits


def test_probabilities_by_hand():
    fixed = _Fixed([[[0.0, np.log(3.0)]], [[0.0, 0.0]]])
    found = predict_samples(fixed, np.zeros((1, 2, 2, 1)), 2, seed=5)
    np.testing.assert_allclose(found, [[[0.25, 0.75]], [[0.5, 0.5]]], atol=1e-7)
    assert fixed.asked == (1, 2, 5)


def test_large_logits_stay_finite():
    found = predict_samples(_Fixed([[[1e4, -1e4]]]), np.zeros((1, 2, 2, 1)))
    np.testing.assert_array_equal(found, [[[1, 0]]])
