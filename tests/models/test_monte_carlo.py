import numpy as np
import pytest

from serkit.errors import InputError
from serkit.models.bayesian import with_monte_carlo_dropout
from serkit.models.compact import CompactSettings, compact
from serkit.models.lenet import lenet5
from serkit.models.transfer import TransferSettings, vgg16_half_freeze


def _compact():
    return compact(3, (32, 32, 1), CompactSettings(channels=(4, 8)), seed=3)


def test_dropout_goes_on_in_the_copy_alone(rng):
    model = _compact()
    x = rng.uniform(-0.9, 1, (4, 32, 32, 1)).astype("float32")
    made = with_monte_carlo_dropout(model, 0.5)
    assert not np.array_equal(made(x), made(x))
    np.testing.assert_array_equal(model(x), model(x))
    np.testing.assert_allclose(with_monte_carlo_dropout(model, 0.0)(x), model(x), atol=1e-6)


@pytest.mark.slow
def test_spatial_dropout_drops_whole_channels(rng):
    made = with_monte_carlo_dropout(vgg16_half_freeze(3, "none", TransferSettings(head=(16,))))
    spatial = [each for each in made.layers if each.name.startswith("spatial")]
    assert [layer.noise_shape for layer in spatial] == [(None, 1, 1, None)] * len(spatial)
    assert len(spatial) == 2
    found = np.asarray(spatial[0](np.ones((1, 3, 3, 64), "float32")))
    assert (found == found[:, :1, :1]).all()


def test_refuses():
    with pytest.raises(InputError, match=r"dropout.*lenet5"):
        with_monte_carlo_dropout(lenet5(3, (32, 32, 1)))
    with pytest.raises(InputError, match=r"rate.*1\.0"):
        with_monte_carlo_dropout(_compact(), 1.0)
