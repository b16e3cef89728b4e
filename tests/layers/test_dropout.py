import keras
import numpy as np
import pytest
import tensorflow as tf

from serkit.layers import MCDropout
from serkit.layers.dropout import layers_of


def test_drops_units_whether_training_or_not():
    layer, x = MCDropout(0.4, seed=1), np.ones((50, 40), "float32")
    for training in (False, True):
        found = layer(x, training=training).numpy()
        assert set(np.round(np.unique(found), 5)) == {0.0, np.float32(1 / 0.6).round(5)}
        assert (found == 0).mean() == pytest.approx(0.4, abs=0.05)
        assert not np.array_equal(found, layer(x, training=training))


def test_a_fixed_mask_is_the_same_for_all_clips_and_depends_on_the_seed_alone():
    layer, x = MCDropout(0.5), np.ones((6, 64), "float32")
    with layer.fixed_sample((3, 4)):
        first, few = layer(x).numpy(), layer(x[:2]).numpy()
    with layer.fixed_sample((3, 5)):
        second = layer(x).numpy()
    assert (first == first[0]).all()
    np.testing.assert_array_equal(few, first[:2])
    assert not np.array_equal(first, second)
    assert not np.array_equal(layer(x)[0], layer(x)[1])


def test_at_mean_drops_nothing():
    layer, x = MCDropout(0.5, seed=1), np.ones((6, 64), "float32")
    with layer.at_mean():
        np.testing.assert_array_equal(layer(x), x)
    assert (layer(x).numpy() == 0).any()


def test_noise_shape_drops_whole_channels():
    layer = MCDropout(0.5, noise_shape=(None, 1, 1, None), seed=2)
    x = np.ones((2, 5, 4, 32), "float32")
    with layer.fixed_sample((1, 1)):
        found = layer(x).numpy()
    for each in (found, layer(x).numpy()):
        assert (each == each[:, :1, :1]).all()
        assert 0 < (each[0, 0, 0] == 0).mean() < 1


def test_the_mean_of_many_masks_is_the_input():
    layer, x = MCDropout(0.3), np.ones((1, 10), "float32")

    @tf.function
    def draw(number):
        with layer.fixed_sample((9, number)):
            return layer(x)[0]

    draws = [draw(tf.constant(number)) for number in range(2000)]
    np.testing.assert_allclose(np.mean(draws, axis=0), 1, atol=0.06)


def test_saved_and_exported_it_still_drops(tmp_path):
    noise = (None, 1, 1, None)
    model = keras.Sequential([keras.Input((4, 4, 3)), MCDropout(0.25, noise, 7)])
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    (layer,) = again.layers
    assert (layer.rate, layer.noise_shape, layer.seed) == (0.25, noise, 7)
    x = np.ones((20, 4, 4, 3), "float32")
    assert (again.predict(x, verbose=0) == 0).any()
    model.export(tmp_path / "exported", verbose=False)
    assert (tf.saved_model.load(tmp_path / "exported").serve(x).numpy() == 0).any()


def test_layers_of_finds_all_layers_at_any_depth():
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="deep")])
    model = keras.Sequential([keras.Input((4,)), inner, keras.layers.ReLU(name="flat")])
    assert [layer.name for layer in layers_of(model)] == [model.name, inner.name, "deep", "flat"]
    assert list(layers_of(inner.layers[0])) == [inner.layers[0]]
