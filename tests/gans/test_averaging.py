import keras
import numpy as np
import pytest
import tensorflow as tf

from serkit.gans.small_data import update_average


def _weight(value: float) -> keras.Model:
    """A network of one number."""
    inputs = keras.Input((1,))
    model = keras.Model(inputs, keras.layers.Dense(1, use_bias=False)(inputs))
    model.set_weights([np.array([[value]])])
    return model


def _output(model: keras.Model) -> float:
    return float(model(np.ones((1, 1), "float32"))[0, 0])


def test_by_hand():
    """From 2 to 10: 2/11 of the old value stay at step 1, 3/12 at step 2, never above the decay."""
    average, source = _weight(2.0), _weight(10.0)
    update_average(average, source, 0.9, 1)
    first = 10 - 2 / 11 * 8
    assert _output(average) == pytest.approx(first, rel=1e-6)
    update_average(average, source, 0.9, 2)
    second = 10 - 3 / 12 * (10 - first)
    assert _output(average) == pytest.approx(second, rel=1e-6)
    # (1 + 1000) / (10 + 1000) would be more than 0.9.
    update_average(average, source, 0.9, 1000)
    assert _output(average) == pytest.approx(10 - 0.9 * (10 - second), rel=1e-6)
    assert _output(source) == 10


def test_moving_statistics_of_batch_normalisation_are_averaged_too():
    inputs = keras.Input((1,))
    source = keras.Model(inputs, keras.layers.BatchNormalization()(inputs))
    average = keras.models.clone_model(source)
    (norm,) = [layer for layer in source.layers if layer.weights]
    norm.moving_mean.assign([8.0])
    norm.moving_variance.assign([17.0])
    update_average(average, source, 0.5, 100)
    found = average.layers[-1]
    # Half way from 0 to 8, and from 1 to 17.
    assert float(found.moving_mean[0]) == 4
    assert float(found.moving_variance[0]) == 9


def test_the_same_in_a_graph():
    source, eager, graph = _weight(2.0), _weight(2.0), _weight(2.0)
    update = tf.function(lambda step: update_average(graph, source, 0.5, step))
    for step in range(1, 12):
        source.trainable_variables[0].assign([[2.0 + step]])
        update_average(eager, source, 0.5, step)
        update(tf.constant(step, tf.int64))
    assert _output(eager) == pytest.approx(_output(graph), rel=1e-6)
    assert 2 < _output(eager) < 13
