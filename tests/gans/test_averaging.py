import keras
import numpy as np
import pytest
import tensorflow as tf

from serkit.gans.small_data import Averaged


def _weight(value: float) -> keras.Model:
    """A network of one number."""
    inputs = keras.Input((1,))
    model = keras.Model(inputs, keras.layers.Dense(1, use_bias=False)(inputs))
    model.set_weights([np.array([[value]])])
    return model


def _output(model: keras.Model) -> float:
    return float(model(np.ones((1, 1), "float32"))[0, 0])


def test_by_hand():
    """From 2 towards 10: 2/11 stay at step 1, 3/12 at step 2, and no more than the decay ever."""
    source = _weight(2.0)
    averaged = Averaged(source, 0.9)
    assert _output(averaged.network) == 2
    source.trainable_variables[0].assign([[10.0]])
    averaged.update(1)
    first = 10 - 2 / 11 * 8
    assert _output(averaged.network) == pytest.approx(first, rel=1e-6)
    averaged.update(2)
    second = 10 - 3 / 12 * (10 - first)
    assert _output(averaged.network) == pytest.approx(second, rel=1e-6)
    # (1 + 1000) / (10 + 1000) would be more than 0.9.
    averaged.update(1000)
    assert _output(averaged.network) == pytest.approx(10 - 0.9 * (10 - second), rel=1e-6)


def test_the_network_that_is_followed_stays_what_it_is():
    source = _weight(2.0)
    averaged = Averaged(source, 0.9)
    averaged.network.trainable_variables[0].assign([[-4.0]])
    averaged.update(1)
    assert _output(source) == 2
    # 2/11 of -4 and 9/11 of 2.
    assert _output(averaged.network) == pytest.approx(10 / 11, rel=1e-6)


def test_what_batch_norm_remembers_is_averaged_too():
    inputs = keras.Input((1,))
    source = keras.Model(inputs, keras.layers.BatchNormalization()(inputs))
    averaged = Averaged(source, 0.5)
    (norm,) = [layer for layer in source.layers if layer.weights]
    norm.moving_mean.assign([8.0])
    norm.moving_variance.assign([17.0])
    averaged.update(100)
    found = averaged.network.layers[-1]
    # Half way from 0 to 8, and from 1 to 17.
    assert float(found.moving_mean[0]) == 4
    assert float(found.moving_variance[0]) == 9


def test_a_graph_averages_alike():
    eager, graph = _weight(2.0), _weight(2.0)
    pairs = [(model, Averaged(model, 0.5)) for model in (eager, graph)]
    update = tf.function(pairs[1][1].update)
    for step in range(1, 12):
        for model, _ in pairs:
            model.trainable_variables[0].assign([[2.0 + step]])
        pairs[0][1].update(step)
        update(tf.constant(step, tf.int64))
    found = [_output(averaged.network) for _, averaged in pairs]
    assert found[0] == pytest.approx(found[1], rel=1e-6)
    assert 2 < found[0] < 13


def test_it_can_be_saved_like_what_it_follows(small_networks, tmp_path):
    source = small_networks[0](classes=3)
    averaged = Averaged(source, 0.5)
    source.trainable_variables[0].assign_add(source.trainable_variables[0])
    averaged.update(1)
    averaged.network.save(tmp_path / "average.keras")
    loaded = keras.models.load_model(tmp_path / "average.keras")
    inputs = [np.ones((2, 5), "float32"), np.array([0, 2])]
    np.testing.assert_array_equal(loaded(inputs), averaged.network(inputs))
    assert not np.allclose(loaded(inputs), source(inputs))
