import numpy as np
import pytest
from scipy.linalg import sqrtm

from serkit.errors import InputError
from serkit.metrics.fidelity import fid_is_reliable, frechet_distance


def _cross(*deviations: float) -> np.ndarray:
    """Two points on each axis: mean 0, and a covariance that is diagonal, exactly."""
    count = 2 * len(deviations)
    half = np.diag(deviations) * np.sqrt((count - 1) / 2)
    return np.concatenate([half, -half])


def test_diagonal_covariances_by_hand():
    """Sum of (s1 - s2)^2, here 1 + 9, plus that of (m1 - m2)^2, here 9 + 16."""
    real, generated = _cross(1, 5), _cross(2, 2)
    np.testing.assert_allclose(np.cov(real.T), np.diag([1, 25]), atol=1e-12)
    assert frechet_distance(real, generated) == pytest.approx(10)
    assert frechet_distance(real, generated + np.array([3, -4])) == pytest.approx(35)


def test_one_feature_by_hand():
    """Means 1 and 5, standard deviations sqrt(2) and 2: 16 + (2 - sqrt(2))^2."""
    found = frechet_distance(np.array([[0.0], [2]]), np.array([[3.0], [5], [7]]))
    assert found == pytest.approx(16 + (2 - np.sqrt(2)) ** 2)


def test_axes_matter():
    """Spread along another axis: 2 trace S - 2 trace (S1 S2)^(1/2), whose last term is 0."""
    assert frechet_distance(_cross(3, 0), _cross(0, 3)) == pytest.approx(18)


def test_equals_scipys_matrix_root(rng):
    real = rng.normal(size=(60, 6)) @ rng.normal(size=(6, 6))
    generated = rng.normal(1, 2, size=(50, 6)) @ rng.normal(size=(6, 6))
    first, second = np.cov(real.T), np.cov(generated.T)
    shift = real.mean(axis=0) - generated.mean(axis=0)
    expected = shift @ shift + np.trace(first + second - 2 * sqrtm(first @ second).real)
    assert frechet_distance(real, generated) == pytest.approx(expected)
    assert frechet_distance(generated, real) == pytest.approx(expected)


@pytest.mark.parametrize("count", [2, 10, 200])
def test_the_same_set_is_at_no_distance_with_fewer_samples_than_features(rng, count):
    real = rng.normal(2, 5, size=(count, 64))
    assert 0 <= frechet_distance(real, real[::-1]) < 1e-9


def test_constant_features_count_by_their_means():
    assert frechet_distance(np.zeros((4, 2)), np.ones((4, 2))) == pytest.approx(2)


def test_few_samples_make_it_too_large():
    """Why there is a limit: sets of the same distribution, at 20 samples and at 2000."""
    rng = np.random.default_rng(0)
    few, many = (
        np.mean([frechet_distance(*rng.normal(size=(2, n, 8))) for _ in range(20)])
        for n in (20, 2000)
    )
    assert few > 50 * many > 0


def test_both_sets_must_be_large_to_be_reliable():
    assert fid_is_reliable(10_000, 10_000)
    assert not fid_is_reliable(9_999, 50_000)
    assert not fid_is_reliable(50_000, 9_999)


@pytest.mark.parametrize(
    ("generated", "message"),
    [
        (np.ones((1, 2)), r"`generated`.* 2 or more.*\(1, 2\)"),
        (np.full((4, 2), np.inf), "`generated`.* 4 samples"),
        (np.ones((4, 3)), "2 in real, 3 in generated"),
    ],
)
def test_sets_that_cannot_be_compared_are_refused(generated, message):
    with pytest.raises(InputError, match=message):
        frechet_distance(np.ones((4, 2)), generated)
