import numpy as np
import pytest

from serkit.errors import InputError
from serkit.layers import Conv2DVariational, DenseVariational
from serkit.layers.variational import variational_layers
from serkit.models.bayesian import (
    bayesian_lenet5,
    from_deterministic,
    last_block,
    linear_layers,
)
from serkit.models.compact import CompactSettings, compact
from serkit.models.lenet import lenet5
from serkit.models.transfer import TransferSettings, vgg16_half_freeze


def test_new_weights_all_start_with_the_same_deviation():
    for layer in variational_layers(bayesian_lenet5(3, (32, 32, 1), seed=2)):
        np.testing.assert_allclose(layer.posterior.scale, 1e-3, rtol=1e-4)


def test_lenet5_is_bayesian_throughout():
    made = bayesian_lenet5(3, (32, 32, 1), seed=2)
    found = [(type(layer), layer.estimator) for layer in variational_layers(made)]
    convolution = (Conv2DVariational, "flipout")
    dense = (DenseVariational, "local_reparameterization")
    assert found == [convolution] * 2 + [dense] * 3
    np.testing.assert_array_equal(
        made.get_layer("fc1").posterior.loc, lenet5(3, (32, 32, 1), seed=2).get_layer("fc1").kernel
    )


def test_last_block_of_compact():
    model = compact(3, (64, 64, 1), CompactSettings(channels=(4, 8, 16)))
    kept = [n for n in linear_layers(model) if n not in last_block(model)]
    # The stem, and one block: three convolutions and two layers of squeeze-and-excitation.
    assert len(kept) == 6
    widths = [model.get_layer(name).get_config() for name in last_block(model)]
    assert sorted(each["filters"] for each in widths if "filters" in each) == [16, 16, 16]


@pytest.mark.slow
def test_vgg16_with_its_last_block_bayesian_keeps_the_rest(rng):
    settings = TransferSettings(head=(16,))
    model = vgg16_half_freeze(3, "none", settings)
    made = from_deterministic(model, layers=last_block(model))
    names = [layer.name for layer in variational_layers(made)]
    assert names == ["block5_conv1", "block5_conv2", "block5_conv3", "fc1", "logits"]
    assert not made.get_layer("block1_conv1").trainable
    np.testing.assert_array_equal(
        made.get_layer("block4_conv3").kernel, model.get_layer("block4_conv3").kernel
    )


def test_compact_with_its_last_block_bayesian_or_all_layers():
    plain = compact(3, (64, 64, 1), CompactSettings(channels=(4, 8, 16)), seed=1)
    end = from_deterministic(plain, None, layers=last_block(plain))
    assert len(list(variational_layers(end))) == len(last_block(plain))
    through = from_deterministic(plain, None)
    assert len(list(variational_layers(through))) == len(linear_layers(plain))


def test_refuses_networks_whose_last_block_is_not_known():
    with pytest.raises(InputError, match=r"model.*lenet5"):
        last_block(lenet5(3, (32, 32, 1)))
