import numpy as np
import pytest
from sklearn.metrics.pairwise import polynomial_kernel

from serkit.errors import InputError
from serkit.metrics.fidelity import kid


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return polynomial_kernel(x, y, degree=3, coef0=1)


def _plain(real: np.ndarray, generated: np.ndarray) -> float:
    """The estimate as its definition has it, on scikit-learn's kernel (its gamma is 1 / d)."""
    parts = []
    for one in (real, generated):
        kernel = _kernel(one, one)
        parts.append(kernel[~np.eye(len(one), dtype=bool)].mean())
    return sum(parts) - 2 * _kernel(real, generated).mean()


def _plain_error(real: np.ndarray, generated: np.ndarray) -> float:
    reals = [_plain(np.delete(real, i, axis=0), generated) for i in range(len(real))]
    others = [_plain(real, np.delete(generated, i, axis=0)) for i in range(len(generated))]
    squares = [np.sum((np.array(v) - np.mean(v)) ** 2) * (1 - 1 / len(v)) for v in (reals, others)]
    return np.sqrt(sum(squares))


def test_by_hand():
    """Real 0 1 -1: pairs 1, 1 and 0, mean 2/3; all others 1, so 2/3 + 1 - 2.

    Without 0 it is -1, without either of the others 0: variance 2/3 (4/9 + 1/9 + 1/9) = 4/9.
    """
    value, error = kid(np.array([[0.0], [1], [-1]]), np.zeros((3, 1)))
    assert value == pytest.approx(-1 / 3)
    assert error == pytest.approx(2 / 3)


def test_products_are_divided_by_the_number_of_features():
    """(2 / 2 + 1) ** 3 among the ones, 1 elsewhere: 1 + 8 - 2; all alike, so no error."""
    assert kid(np.zeros((3, 2)), np.ones((4, 2))) == (pytest.approx(7), 0.0)


def test_equals_the_definition_with_one_left_out_at_a_time(rng):
    real, generated = rng.normal(size=(9, 5)), rng.normal(0.7, 1.5, size=(13, 5))
    value, error = kid(real, generated)
    assert value == pytest.approx(_plain(real, generated))
    assert error == pytest.approx(_plain_error(real, generated))


def test_many_samples_go_in_blocks(rng):
    real, generated = rng.normal(size=(1500, 2)), rng.normal(0.3, 1, size=(2100, 2))
    found = kid(real, generated)
    assert found[0] == pytest.approx(_plain(real, generated))
    assert found == pytest.approx(kid(generated, real))


def test_no_bias_where_a_v_statistic_has_one():
    """Few samples of the same distribution: 0 on average; with the diagonal, far above it."""
    rng = np.random.default_rng(0)
    values, biased = [], []
    for _ in range(1000):
        real, generated = rng.normal(size=(8, 3)), rng.normal(size=(12, 3))
        values.append(kid(real, generated)[0])
        same = _kernel(real, real).mean() + _kernel(generated, generated).mean()
        biased.append(same - 2 * _kernel(real, generated).mean())
    error = np.std(values) / np.sqrt(1000)
    assert abs(np.mean(values)) < 3 * error
    assert np.mean(biased) > 20 * error


@pytest.mark.parametrize(("shift", "ratio"), [(0.7, 1.0), (0.0, np.sqrt(2))])
def test_the_error_is_about_the_spread_over_repeated_draws(shift, ratio):
    """Too large by up to sqrt(2) where the distributions are the same, as the docstring says."""
    rng = np.random.default_rng(1)
    draws = [(rng.normal(size=(60, 4)), rng.normal(shift, 1, size=(80, 4))) for _ in range(400)]
    values, errors = np.transpose([kid(*draw) for draw in draws])
    assert np.sqrt(np.mean(errors**2)) / values.std() == pytest.approx(ratio, rel=0.12)


def test_half_precision_loses_nothing_but_its_own_digits(rng):
    """Row sums of some 1e6 would overflow in float16."""
    real, generated = (rng.normal(3, 1, (50, 8)).astype(np.float16) for _ in range(2))
    assert kid(real, generated) == kid(real.astype(float), generated.astype(float))


def test_constant_features_are_at_no_distance():
    same = np.full((5, 2), 3.0)
    assert kid(same, same) == (pytest.approx(0, abs=1e-10), pytest.approx(0, abs=1e-10))


@pytest.mark.parametrize(
    ("real", "generated", "message"),
    [
        (np.ones((2, 4)), np.ones((5, 4)), r"`real`.* 3 or more.*\(2, 4\)"),
        (np.ones((5, 4)), np.full((5, 4), np.nan), "`generated`.* 5 samples"),
        (np.ones((5, 4)), np.ones((5, 3)), "4 in real, 3 in generated"),
    ],
)
def test_sets_that_cannot_be_compared_are_refused(real, generated, message):
    with pytest.raises(InputError, match=message):
        kid(real, generated)
