import numpy as np
import pytest

from serkit.errors import InputError
from serkit.gans.networks import generator
from serkit.gans.sampling import sample


def test_count_shape_range_and_seed():
    model = generator(0.05)
    pictures = sample(model, 35, seed=1)
    assert pictures.shape == (35, 224, 224, 1)
    assert pictures.dtype == np.float32
    assert np.abs(pictures).max() <= 1
    np.testing.assert_array_equal(pictures[:3], sample(model, 3, seed=1))
    assert not np.array_equal(pictures[:3], sample(model, 3, seed=2))
    assert not np.array_equal(pictures[0], pictures[1])


def test_none_is_refused():
    with pytest.raises(InputError, match="count=0"):
        sample(generator(0.05), 0, seed=1)
