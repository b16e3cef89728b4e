import keras
import numpy as np
import pytest

from serkit.errors import InputError
from serkit.models.pretrained import VGG16, load_base, plain_base, vgg16_from_scratch


@pytest.fixture(scope="module")
def model():
    return vgg16_from_scratch(7, side=32, seed=3)


def test_all_of_it_trains_and_kernels_keep_the_scale(model):
    kernels = [variable for variable in model.trainable_variables if len(variable.shape) == 4]
    assert len(kernels) == 13
    # A scale and an offset for each of them, and the dense layer.
    assert len(model.trainable_variables) == 3 * 13 + 2
    for kernel in kernels[1:]:
        fan_in = np.prod(kernel.shape[:3])
        assert np.std(kernel) == pytest.approx((2 / fan_in) ** 0.5, rel=0.02)


@pytest.fixture(scope="module")
def normalised():
    """One whose normalisation does something."""
    found, rng = vgg16_from_scratch(7, side=32, seed=3), np.random.default_rng(1)
    for layer in found.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            size = layer.gamma.shape
            low, high = np.array([[0.5, -0.2, -0.2, 0.5], [1.5, 0.2, 0.2, 1.5]])
            layer.set_weights([rng.uniform(*each, size) for each in zip(low, high, strict=True)])
    return found


def test_it_sees_means_of_squares_and_its_plain_form_gives_the_same(normalised, rng):
    blocks = rng.uniform(-1, 1, (2, 32, 32, 1)).astype("float32")
    same = np.repeat(np.repeat(blocks, 7, axis=1), 7, axis=2)
    # Other values of the same mean within each square.
    ripple = np.tile([0.3, -0.3, 0.2, -0.2, 0.1, -0.1, 0.0], 32).astype("float32")
    features = plain_base(normalised)(np.repeat(blocks, 3, axis=-1)).numpy().mean(axis=(1, 2))
    wanted = features @ normalised.layers[-1].get_weights()[0]
    found = normalised.predict(same + ripple[:, np.newaxis], verbose=0)
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_larger_spectrograms_go_on_with_the_same_variables(model):
    larger = vgg16_from_scratch(7, side=56, seed=4)
    larger.set_weights(model.get_weights())
    for one, two in zip(larger.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert larger.input_shape == model.input_shape == (None, 224, 224, 1)


def test_its_convolutions_are_what_weights_takes(model, tmp_path):
    path = tmp_path / "vgg16.weights.h5"
    plain_base(model).save_weights(path)
    found = load_base(VGG16, path, 0).get_weights()
    for one, two in zip(found, plain_base(model).get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_the_seed_decides_the_weights(model):
    same, other = (vgg16_from_scratch(7, side=32, seed=seed) for seed in (3, 4))
    first = [each.get_weights()[0] for each in map(plain_base, (model, same, other))]
    np.testing.assert_array_equal(first[0], first[1])
    assert not np.array_equal(first[0], first[2])


@pytest.mark.parametrize("side", [0, 16, 100, 448])
def test_sides_that_do_not_fit_are_refused(side):
    with pytest.raises(InputError, match=f"side.* {side}"):
        vgg16_from_scratch(7, side=side)


def test_it_can_be_saved_as_a_whole(model, tmp_path):
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    for one, two in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
