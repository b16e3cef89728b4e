import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from serkit.errors import InputError
from serkit.metrics.neighbours import PRDC, nearest_distances, prdc


def _column(*values) -> np.ndarray:
    return np.array(values, float)[:, None]


def test_by_hand():
    """Radii 1 1 2 2 2 and 2 2 15 15. Generated 0.5 lies in two real balls, 2.5 in one, the others
    in none; real 20 and 22 lie in the ball of 25, which reaches from 10 to 40."""
    found = prdc(_column(0, 1, 3, 20, 22), _column(0.5, 2.5, 25, 40), 1)
    assert found == PRDC(precision=2 / 4, recall=1.0, density=3 / 4, coverage=3 / 5)


def test_by_hand_with_two_neighbours():
    """Real balls -3 to 3, -1 to 3 and 0 to 6; generated ones 1 to 9, 3 to 9 and 5 to 13."""
    found = prdc(_column(0, 1, 3), _column(5, 6, 9), 2)
    assert found == PRDC(precision=2 / 3, recall=2 / 3, density=2 / (2 * 3), coverage=1 / 3)


def test_the_surface_belongs_to_the_ball():
    assert prdc(_column(0, 1), _column(2, 3), 1).precision == 0.5
    assert prdc(_column(0, 1), _column(2.001, 3), 1).precision == 0.0


def test_equal_constant_features_have_precision_recall_and_coverage_1():
    same = np.ones((4, 3))
    assert prdc(same, same, 2) == PRDC(1.0, 1.0, 4 / 2, 1.0)


def test_radii_are_those_of_scikit_learn(rng):
    real, generated = rng.normal(size=(60, 7)), rng.normal(0.5, 0.8, size=(50, 7))
    radii = NearestNeighbors(n_neighbors=4).fit(real).kneighbors()[0][:, -1]
    inside = np.linalg.norm(real[:, None] - generated, axis=2) <= radii[:, None]
    found = prdc(real, generated, 4)
    assert 0 < found.precision == inside.any(axis=0).mean() < 1
    assert 0 < found.coverage == inside.any(axis=1).mean() < 1
    assert found.density == pytest.approx(inside.sum() / (4 * 50))


def test_recall_is_precision_the_other_way_round(rng):
    real, generated = rng.normal(size=(40, 3)), rng.normal(1, 0.5, size=(30, 3))
    assert prdc(real, generated).recall == prdc(generated, real).precision


def test_coverage_of_a_perfect_generator_is_as_naeem_et_al_expect():
    """1 - (N-1)...(N-k) / (M+N-1)...(M+N-k): N = 30, k = 2 gives 0.763 for M = 30, 0.992 for 300.

    Density has an expectation of 1 whatever the numbers.
    """
    rng = np.random.default_rng(0)
    for count, expected in [(30, 1 - 29 * 28 / (59 * 58)), (300, 1 - 29 * 28 / (329 * 328))]:
        found = [prdc(rng.normal(size=(30, 2)), rng.normal(size=(count, 2)), 2) for _ in range(300)]
        assert np.mean([one.coverage for one in found]) == pytest.approx(expected, abs=0.015)
        assert np.mean([one.density for one in found]) == pytest.approx(1, abs=0.03)


def test_nearest_distances_by_hand():
    found = nearest_distances(np.array([[0, 0], [3, 4]]), np.array([[3, 3], [0, 2], [9, 9]]))
    np.testing.assert_array_equal(found, [2, 1])


def test_nearest_distances_in_chunks(rng):
    samples, others = rng.normal(size=(2500, 2)), rng.normal(size=(10, 2))
    expected = NearestNeighbors(n_neighbors=1).fit(others).kneighbors(samples)[0][:, 0]
    np.testing.assert_allclose(nearest_distances(samples, others), expected)


def test_a_copy_is_at_no_distance_even_far_from_the_origin(rng):
    samples = 1e6 + rng.normal(size=(50, 20))
    assert not nearest_distances(samples[:7], samples).any()


@pytest.mark.parametrize("neighbours", [0, 4, 5])
def test_neighbours_out_of_range_are_refused(rng, neighbours):
    with pytest.raises(InputError, match=f"1 and 3.*neighbours={neighbours}"):
        prdc(rng.normal(size=(9, 2)), rng.normal(size=(4, 2)), neighbours)
