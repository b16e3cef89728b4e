import keras
import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from serkit.errors import InputError
from serkit.models.losses import LOSSES, class_weights, cross_entropy, focal, make_loss, one_vs_rest

LOG = np.log


def _logits(*probabilities):
    """Logits of a softmax that gives these."""
    return LOG(np.array(probabilities, "float32"))


def test_cross_entropy_by_hand():
    logits = _logits([0.5, 0.25, 0.25], [0.1, 0.1, 0.8])
    np.testing.assert_allclose(cross_entropy([0, 1], logits), [LOG(2), LOG(10)], rtol=1e-5)


def test_smoothing_spreads_a_share_over_all_classes():
    logits = _logits([0.5, 0.25, 0.25])
    expected = 0.8 * LOG(2) + 0.1 * LOG(4) + 0.1 * LOG(4)
    assert float(cross_entropy([0], logits, smoothing=0.3)[0]) == pytest.approx(expected, rel=1e-5)


def test_focal_by_hand_and_without_gamma_cross_entropy():
    logits = _logits([0.5, 0.25, 0.25], [0.1, 0.1, 0.8])
    expected = [0.25 * LOG(2), 0.81 * LOG(10)]
    np.testing.assert_allclose(focal([0, 1], logits, gamma=2.0), expected, rtol=1e-5)
    np.testing.assert_allclose(
        focal([0, 1], logits, 0.3, gamma=0.0), cross_entropy([0, 1], logits, 0.3), rtol=1e-5
    )


def test_focal_is_keras_own(rng):
    logits, labels = rng.normal(size=(20, 7)).astype("float32"), rng.integers(0, 7, 20)
    keras_own = keras.losses.categorical_focal_crossentropy(
        np.eye(7, dtype="float32")[labels], logits, alpha=1.0, gamma=1.5, from_logits=True
    )
    np.testing.assert_allclose(focal(labels, logits, gamma=1.5), keras_own, rtol=1e-4)


def test_one_vs_rest_by_hand():
    """Three sigmoids, each with a target of its own; 0 is a probability of a half."""
    logits = np.array([[0.0, LOG(3), -LOG(3)]], "float32")
    # Class 1 is right: -log 0.5 for class 0, -log 0.75 for class 1, -log(1 - 0.25) for class 2.
    expected = (LOG(2) - 2 * LOG(0.75)) / 3
    assert float(one_vs_rest([1], logits)[0]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_better_logits_give_a_lower_loss_and_labels_may_be_a_column(name, rng):
    loss = make_loss(name, smoothing=0.1)
    logits, labels = rng.normal(size=(8, 5)).astype("float32"), rng.integers(0, 5, 8)
    better = logits + np.eye(5, dtype="float32")[labels]
    assert np.all(np.asarray(loss(labels, better)) < np.asarray(loss(labels, logits)))
    np.testing.assert_array_equal(loss(labels[:, np.newaxis], logits), loss(labels, logits))
    assert loss(labels, logits).shape == (8,)


def test_balanced_weights_are_scikit_learns():
    labels = np.array([0, 0, 0, 0, 1, 2, 2])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    assert class_weights(labels, 3, "balanced") == pytest.approx(dict(enumerate(expected)))
    assert class_weights(labels, 3, "none") is None
    assert class_weights(labels, 3, [1, 2, 0.5]) == {0: 1.0, 1: 2.0, 2: 0.5}


@pytest.mark.parametrize("how", [[1.0, 2.0], [1.0, -1.0, 1.0], "even"])
def test_other_weights_are_refused(how):
    with pytest.raises(InputError, match=r"class_weights.* 3 classes"):
        class_weights(np.array([0, 1, 2]), 3, how)


@pytest.mark.parametrize("name", LOSSES)
def test_shares_of_classes_are_labels_too(name, rng):
    """Of mixup: with one class alone the same loss, with two the mean of both losses."""
    logits = rng.normal(size=(6, 4)).astype("float32")
    loss, one, two = (
        make_loss(name, 0.1),
        np.array([0, 1, 2, 3, 0, 1]),
        np.array([3, 2, 1, 0, 1, 0]),
    )
    shares = np.eye(4, dtype="float32")
    np.testing.assert_allclose(loss(shares[one], logits), loss(one, logits), rtol=1e-5)
    if name != "focal":
        mixed = 0.3 * shares[one] + 0.7 * shares[two]
        expected = 0.3 * np.array(loss(one, logits)) + 0.7 * np.array(loss(two, logits))
        np.testing.assert_allclose(loss(mixed, logits), expected, rtol=1e-4)
