import itertools

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from serkit.errors import InputError
from serkit.metrics.selective import (
    accuracy_at,
    auroc,
    risk_coverage,
    threshold_for_accuracy,
    threshold_for_coverage,
)


def test_by_hand():
    found = risk_coverage([0.1, 0.4, 0.2, 0.3], [True, False, True, False])
    np.testing.assert_allclose(found.coverage, [0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(found.risk, [0, 0, 1 / 3, 1 / 2])
    assert found.area == pytest.approx(5 / 24)
    assert accuracy_at([0.1, 0.4, 0.2, 0.3], [True, False, True, False], 0.75) == pytest.approx(
        2 / 3
    )


def test_the_equally_sure_count_as_the_mean_over_their_orders():
    uncertainty, is_correct = np.array([1.0, 1.0, 1.0, 2.0]), np.array([True, False, False, True])
    orders = [[*order, 3] for order in itertools.permutations(range(3))]
    expected = np.mean(
        [np.cumsum(~is_correct[order]) / np.arange(1, 5) for order in orders], axis=0
    )
    np.testing.assert_allclose(risk_coverage(uncertainty, is_correct).risk, expected)


def test_leaving_out_by_chance_gains_nothing(rng):
    is_correct = rng.random(20_000) < 0.6
    assert risk_coverage(rng.random(20_000), is_correct).area == pytest.approx(0.4, abs=0.03)
    assert accuracy_at(rng.random(20_000), is_correct, 0.5) == pytest.approx(0.6, abs=0.02)


def test_auroc_beside_scikit_learn(rng):
    lower, higher = rng.integers(0, 6, 40), rng.integers(2, 9, 30)
    truth = [0] * 40 + [1] * 30
    assert auroc(lower, higher) == pytest.approx(roc_auc_score(truth, [*lower, *higher]))
    assert auroc([1, 1], [1]) == 0.5


def test_threshold_for_coverage():
    uncertainty = np.array([0.4, 0.1, 0.3, 0.2])
    assert threshold_for_coverage(uncertainty, 0.5) == 0.2
    assert (uncertainty <= threshold_for_coverage(uncertainty, 1.0)).all()
    assert not (uncertainty <= threshold_for_coverage(uncertainty, 0.0)).any()


def test_threshold_for_accuracy_answers_as_many_as_can_be():
    uncertainty = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    is_correct = np.array([False, True, True, True, False])
    assert threshold_for_accuracy(uncertainty, is_correct, 0.75) == 0.4
    assert threshold_for_accuracy(uncertainty, is_correct, 0.6) == 0.5
    with pytest.raises(InputError, match=r"at most 0\.750.*accuracy=0\.9"):
        threshold_for_accuracy(uncertainty, is_correct, 0.9)


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: risk_coverage([0.1], [True, False]), "`is_correct`.* 1 and 2"),
        (lambda: risk_coverage([np.nan], [True]), "1 NaN"),
        (lambda: auroc([], [1.0]), "`lower`.* 0 and 1"),
        (lambda: threshold_for_coverage([], 0.5), "`uncertainty`.* 0"),
        (lambda: threshold_for_coverage([1.0], 1.5), "coverage=1.5"),
    ],
)
def test_refuses(call, word):
    with pytest.raises(InputError, match=word):
        call()
