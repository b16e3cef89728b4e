import keras
import numpy as np
import pytest
import tensorflow as tf

from serkit.gans.optimizer import Adam


@pytest.mark.parametrize("amsgrad", [False, True])
def test_its_steps_and_its_state_are_those_of_keras(amsgrad, rng):
    start = rng.normal(size=(3, 4)).astype("float32")
    ours, theirs = (keras.Variable(start, name="weight") for _ in range(2))
    options = {"learning_rate": 0.01, "beta_1": 0.5, "amsgrad": amsgrad}
    optimizers = Adam(**options), keras.optimizers.Adam(**options)
    for _ in range(5):
        gradient = tf.constant(rng.normal(size=(3, 4)), tf.float32)
        for optimizer, variable in zip(optimizers, (ours, theirs), strict=True):
            optimizer.apply_gradients([(gradient, variable)])
    assert not np.allclose(ours, start, atol=0.01)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    for one, other in zip(*(o.variables for o in optimizers), strict=True):
        assert one.name == other.name
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)
