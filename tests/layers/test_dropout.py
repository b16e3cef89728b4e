import keras
import numpy as np
import pytest

from serkit.layers.dropout import MonteCarloDropout


def test_drops_in_prediction_too():
    layer, x = MonteCarloDropout(0.4, seed=1), np.ones((50, 40), "float32")
    found = layer(x, training=False).numpy()
    assert set(np.round(np.unique(found), 5)) == {0.0, np.float32(1 / 0.6).round(5)}
    assert (found == 0).mean() == pytest.approx(0.4, abs=0.05)
    assert not np.array_equal(found, layer(x, training=False))


def test_a_drawn_mask_is_the_same_for_all_clips_and_depends_on_the_seed_alone():
    layer, x = MonteCarloDropout(0.5), np.ones((6, 64), "float32")
    with layer.drawing((3, 4)):
        first, part = layer(x).numpy(), layer(x[:2]).numpy()
    with layer.drawing((3, 5)):
        second = layer(x).numpy()
    assert (first == first[0]).all()
    np.testing.assert_array_equal(part, first[:2])
    assert not np.array_equal(first, second)
    assert not np.array_equal(layer(x)[0], layer(x)[1])


def test_at_the_mean_nothing_is_dropped():
    layer, x = MonteCarloDropout(0.5, seed=1), np.ones((6, 64), "float32")
    with layer.at_mean():
        np.testing.assert_array_equal(layer(x), x)
    assert (layer(x).numpy() == 0).any()


def test_whole_channels_where_that_is_wanted():
    layer = MonteCarloDropout(0.5, noise_shape=(None, 1, 1, None), seed=2)
    x = np.ones((2, 5, 4, 32), "float32")
    with layer.drawing((1, 1)):
        found = layer(x).numpy()
    for each in (found, layer(x).numpy()):
        assert (each == each[:, :1, :1]).all()
        assert 0 < (each[0, 0, 0] == 0).mean() < 1


def test_many_masks_keep_the_mean():
    layer, x, draws = MonteCarloDropout(0.3), np.ones((1, 10), "float32"), []
    for number in range(2000):
        with layer.drawing((9, number)):
            draws.append(layer(x)[0])
    np.testing.assert_allclose(np.mean(draws, axis=0), 1, atol=0.06)


def test_saves_and_loads(tmp_path):
    noise = (None, 1, 1, None)
    model = keras.Sequential([keras.Input((4, 4, 3)), MonteCarloDropout(0.25, noise, 7)])
    model.save(tmp_path / "model.keras")
    (layer,) = keras.models.load_model(tmp_path / "model.keras").layers
    assert (layer.rate, layer.noise_shape, layer.seed) == (0.25, noise, 7)
