import numpy as np
import pytest

from serkit.errors import InputError
from serkit.models.lenet import LeNet5Settings, lenet5


def test_parameters_of_the_original_shape():
    # By hand for 32 x 32: 156 + 2416 + (400 * 120 + 120) + (120 * 84 + 84) + (84 * 10 + 10).
    assert lenet5(10, (32, 32, 1)).count_params() == 61_706


def test_pools_first():
    pooled = lenet5(7, (64, 64, 1), LeNet5Settings(pool=(2, 2)))
    assert pooled.count_params() == lenet5(7, (32, 32, 1)).count_params()
    assert pooled.output_shape == (None, 7)


def test_same_seed_same_weights(rng):
    x = rng.uniform(-1, 1, (2, 32, 32, 1)).astype("float32")
    first, second, other = (lenet5(3, (32, 32, 1), seed=seed)(x) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert not np.allclose(first, other)


def test_dropout_only_where_asked_for():
    names = [layer.name for layer in lenet5(3, (32, 32, 1), LeNet5Settings(dropout=0.5)).layers]
    assert sum("dropout" in name for name in names) == 2
    assert not any("dropout" in layer.name for layer in lenet5(3, (32, 32, 1)).layers)


@pytest.mark.parametrize(
    ("make", "received"),
    [
        (lambda: lenet5(1, (32, 32, 1)), "classes.*1"),
        (lambda: lenet5(3, (32, 15, 1)), r"shape.*\(32, 15, 1\)"),
        (lambda: LeNet5Settings(units=(120, 0)), r"units.*\(120, 0\)"),
        (lambda: LeNet5Settings(activation="gelu"), "activation.*gelu"),
        (lambda: LeNet5Settings(dropout=1.0), r"dropout.*1\.0"),
    ],
)
def test_values_out_of_range_are_refused(make, received):
    with pytest.raises(InputError, match=received):
        make()
