import numpy as np
import pytest
from sklearn import metrics as sk

from serkit.errors import InputError
from serkit.metrics.classification import (
    accuracy,
    average_recall,
    class_recalls,
    confusion_matrix,
    macro_f1,
    score,
)


def test_by_hand():
    """True 0 0 0 1, called 0 0 1 1: recalls 2/3 and 1; F1 4/5 and 2/3; class 2 nowhere."""
    found = score(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]), 3)
    assert found.accuracy == 0.75
    assert found.uar == pytest.approx((2 / 3 + 1) / 2)
    assert found.macro_f1 == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert found.recalls == (pytest.approx(2 / 3), 1.0, None)
    assert found.confusion == ((2, 1, 0), (0, 1, 0), (0, 0, 0))


def test_equals_scikit_learn(rng):
    truth, predicted = rng.integers(0, 6, 200), rng.integers(0, 6, 200)
    found = score(truth, predicted, 6)
    assert found.accuracy == pytest.approx(sk.accuracy_score(truth, predicted))
    assert found.uar == pytest.approx(sk.balanced_accuracy_score(truth, predicted))
    assert found.macro_f1 == pytest.approx(sk.f1_score(truth, predicted, average="macro"))
    np.testing.assert_array_equal(found.confusion, sk.confusion_matrix(truth, predicted))


def test_average_recall_of_many_at_once(rng):
    stack = rng.integers(0, 9, (5, 4, 4))
    stack[2, 1] = 0
    expected = [average_recall(one) for one in stack]
    np.testing.assert_allclose(average_recall(stack), expected)


@pytest.mark.parametrize("predicted", [[], [0, 1]])
def test_unequal_or_no_clips_are_refused(predicted):
    with pytest.raises(InputError, match="`truth`"):
        confusion_matrix(np.array([0] if predicted else []), np.array(predicted), 2)


def test_all_measures_of_many_at_once(rng):
    stack = rng.integers(0, 9, (5, 4, 4))
    stack[2, 1], stack[3, 1], stack[3, :, 1] = 0, 0, 0
    for measure in (accuracy, macro_f1, class_recalls):
        np.testing.assert_allclose(measure(stack), [measure(one) for one in stack])
    assert np.isnan(class_recalls(stack)[2, 1])
    assert not np.isnan(macro_f1(stack)).any()
