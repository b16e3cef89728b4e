import keras
import numpy as np
import pytest

from serkit.classifiers.pretrained import VGG16, load_base
from serkit.classifiers.scratch import base_of, vgg16_from_scratch
from serkit.errors import InputError


@pytest.fixture(scope="module")
def model():
    return vgg16_from_scratch(7, side=32, seed=3)


def test_all_of_it_trains_and_kernels_keep_the_scale(model):
    kernels = [variable for variable in model.trainable_variables if len(variable.shape) == 4]
    assert len(kernels) == 13
    assert len(model.trainable_variables) == len(model.weights) == 28
    for kernel in kernels[1:]:
        fan_in = np.prod(kernel.shape[:3])
        assert np.std(kernel) == pytest.approx((2 / fan_in) ** 0.5, rel=0.02)


def test_it_sees_means_of_squares(model, rng):
    blocks = rng.uniform(-1, 1, (2, 32, 32, 1)).astype("float32")
    same = np.repeat(np.repeat(blocks, 7, axis=1), 7, axis=2)
    # Other values of the same mean within each square.
    ripple = np.tile([0.3, -0.3, 0.2, -0.2, 0.1, -0.1, 0.0], 32).astype("float32")
    features = base_of(model)(np.repeat(blocks, 3, axis=-1)).numpy().mean(axis=(1, 2))
    wanted = features @ model.layers[-1].get_weights()[0]
    found = model.predict(same + ripple[:, np.newaxis], verbose=0)
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_larger_spectrograms_go_on_with_the_same_variables(model):
    larger = vgg16_from_scratch(7, side=56, seed=4)
    larger.set_weights(model.get_weights())
    for one, two in zip(larger.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert larger.input_shape == model.input_shape == (None, 224, 224, 1)


def test_its_convolutions_are_what_weights_takes(model, tmp_path):
    path = tmp_path / "vgg16.weights.h5"
    base_of(model).save_weights(path)
    found = load_base(VGG16, path, 0).get_weights()
    for one, two in zip(found, base_of(model).get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_the_seed_decides_the_weights(model):
    same, other = (vgg16_from_scratch(7, side=32, seed=seed) for seed in (3, 4))
    first = [each.get_weights()[0] for each in map(base_of, (model, same, other))]
    np.testing.assert_array_equal(first[0], first[1])
    assert not np.array_equal(first[0], first[2])


@pytest.mark.parametrize("side", [0, 16, 100, 448])
def test_sides_that_do_not_fit_are_refused(side):
    with pytest.raises(InputError, match=f"`side` must be .* Received: {side}"):
        vgg16_from_scratch(7, side=side)


def test_it_can_be_saved_as_a_whole(model, tmp_path):
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    found = load_base(VGG16, tmp_path / "model.keras", 0).get_weights()
    np.testing.assert_array_equal(again.get_weights()[0], model.get_weights()[0])
    np.testing.assert_array_equal(found[0], model.get_weights()[0])
