import keras
import numpy as np
import pytest

from serkit.gans.averaging import Averaged
from serkit.gans.networks import critic, discriminator1, generator
from serkit.training.precision import precision


def test_the_policy_is_what_it_was_before_even_after_an_exception():
    before = keras.config.dtype_policy().name
    with precision("mixed_bfloat16"):
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    assert keras.config.dtype_policy().name == before
    with pytest.raises(KeyError), precision("mixed_bfloat16"):
        raise KeyError
    assert keras.config.dtype_policy().name == before


@pytest.mark.parametrize("build", [generator, discriminator1, critic])
def test_convolutions_are_in_bfloat16_weights_and_what_comes_out_in_float32(build, rng):
    with precision("mixed_bfloat16"):
        model = build(0.05, seed=1)
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}
    convolutions = [layer for layer in model.layers if "Conv" in type(layer).__name__]
    assert {layer.compute_dtype for layer in convolutions} == {"bfloat16"}
    inputs = rng.uniform(-1, 1, (2, *model.input_shape[1:])).astype("float32")
    found = model(inputs)
    assert found.dtype == "float32"
    # Eight bits of each number: near what float32 gives, but not the same.
    expected = build(0.05, seed=1)(inputs)
    np.testing.assert_allclose(found, expected, atol=0.03)
    assert not np.array_equal(found, expected)


def test_the_average_of_such_a_network_computes_as_it_does():
    with precision("mixed_bfloat16"):
        source = generator(0.05)
    average = Averaged(source, 0.9).network
    kinds = [[layer.compute_dtype for layer in model.layers[1:]] for model in (source, average)]
    assert kinds[0] == kinds[1]
    assert "bfloat16" in kinds[0]
