import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from serkit.models.fused_batch_norm import use_fused_batch_norm


def _model(policy: str = "float32") -> keras.Model:
    keras.utils.set_random_seed(1)
    inputs = keras.Input((6, 5, 3), dtype="float32")
    x = layers.Conv2D(4, 3, dtype=policy)(inputs)
    x = layers.BatchNormalization(
        momentum=0.9, beta_initializer="random_normal", gamma_initializer="ones", dtype=policy
    )(x)
    x = layers.Flatten()(layers.ReLU(dtype=policy)(x))
    # The inputs of this one have two axes.
    return keras.Model(inputs, layers.BatchNormalization(dtype="float32")(x))


def _step(model: keras.Model, x: np.ndarray) -> list[np.ndarray]:
    """Return outputs, gradients and moving averages of a step of training."""

    @tf.function
    def run():
        with tf.GradientTape() as tape:
            outputs = model(x, training=True)
            loss = tf.reduce_mean(tf.square(outputs - 0.3) * outputs)
        return [outputs, *tape.gradient(loss, [v.value for v in model.trainable_variables])]

    results = [value.numpy() for value in run()]
    return results + [
        keras.ops.convert_to_numpy(variable) for variable in model.non_trainable_variables
    ]


@pytest.mark.parametrize(("policy", "atol"), [("float32", 2e-5), ("mixed_bfloat16", 0.05)])
def test_a_step_is_that_of_keras(rng, policy, atol):
    x = rng.normal(2, 3, (8, 6, 5, 3)).astype("float32")
    plain, fused = _model(policy), _model(policy)
    use_fused_batch_norm(fused)
    assert "call" in vars(fused.layers[2])
    assert "call" not in vars(fused.layers[5])
    for expected, found in zip(_step(plain, x), _step(fused, x), strict=True):
        np.testing.assert_allclose(found, expected, atol=atol)


def test_prediction_and_the_saved_model_are_those_of_keras(rng, tmp_path):
    x = rng.normal(2, 3, (8, 6, 5, 3)).astype("float32")
    model = _model()
    use_fused_batch_norm(model)
    _step(model, x)
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert "call" not in vars(loaded.layers[2])
    np.testing.assert_array_equal(loaded(x, training=False), model(x, training=False))


def test_a_frozen_layer_keeps_its_averages(rng):
    x = rng.normal(2, 3, (8, 6, 5, 3)).astype("float32")
    model = _model()
    use_fused_batch_norm(model)
    model.trainable = False
    before = [keras.ops.convert_to_numpy(variable) for variable in model.non_trainable_variables]
    model(x, training=True)
    for old, new in zip(before, model.non_trainable_variables, strict=True):
        np.testing.assert_array_equal(old, new)
