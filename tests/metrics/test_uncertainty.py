import numpy as np
import pytest

from serkit.errors import InputError
from serkit.metrics.calibration import uncertainty


def test_by_hand():
    agreed = [[0.5, 0.5], [0.5, 0.5]]
    split = [[1.0, 0.0], [0.0, 1.0]]
    known = [[1.0, 0.0], [1.0, 0.0]]
    found = uncertainty(np.array([agreed, split, known]).transpose(1, 0, 2))
    two = np.log(2)
    np.testing.assert_allclose(found.total, [two, two, 0], atol=1e-12)
    np.testing.assert_allclose(found.aleatoric, [two, 0, 0], atol=1e-12)
    np.testing.assert_allclose(found.epistemic, [0, two, 0], atol=1e-12)


def test_one_sample_has_no_epistemic_uncertainty(rng):
    found = uncertainty(rng.dirichlet(np.ones(7), (1, 20)))
    np.testing.assert_allclose(found.epistemic, 0, atol=1e-12)


def test_parts_add_up_and_keep_within_the_classes(rng):
    found = uncertainty(rng.dirichlet(np.full(7, 0.3), (30, 50)))
    np.testing.assert_allclose(found.aleatoric + found.epistemic, found.total, atol=1e-9)
    assert found.total.max() < np.log(7)
    assert found.epistemic.min() > 0


@pytest.mark.parametrize(
    ("samples", "word"),
    [
        (np.full((4, 2), 0.5), r"`samples`.*\(4, 2\)"),
        (np.zeros((0, 4, 2)), r"`samples`.*\(0, 4, 2\)"),
        (np.full((1, 4, 2), 0.6), "from 1.2 to 1.2"),
        (np.array([[[1.5, -0.5]]]), "-0.5"),
    ],
)
def test_refuses(samples, word):
    with pytest.raises(InputError, match=word):
        uncertainty(samples)
