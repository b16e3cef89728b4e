import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from serkit.layers.posterior import (
    ESTIMATORS,
    flipout,
    local_reparameterization,
    reparameterization,
)


def _convolve(inputs, kernel):
    return ops.conv(inputs, kernel, 1, "same", "channels_last")


def _draws(estimator, linear, inputs, mean, scale, number, seed=1):
    """``(number, …)`` outputs for the same inputs."""
    seed = keras.random.SeedGenerator(seed)

    @tf.function
    def draws():
        def draw(_):
            return estimator(linear, tf.constant(inputs), mean, scale, seed)

        return tf.map_fn(draw, tf.range(number), fn_output_signature=tf.float32)

    return draws().numpy()


def _material(rng, examples=4, wide=6, out=3):
    inputs = rng.normal(size=(examples, wide)).astype("float32")
    mean = rng.normal(size=(wide, out)).astype("float32")
    return inputs, mean, rng.uniform(0.1, 0.4, (wide, out)).astype("float32")


@pytest.mark.parametrize("estimator", ESTIMATORS.values(), ids=ESTIMATORS)
def test_mean_and_deviation_of_each_output(rng, estimator):
    """As if weights had been drawn for it alone: normal, of the sums of means and variances."""
    inputs, mean, scale = _material(rng)
    draws = _draws(estimator, ops.matmul, inputs, mean, scale, 3000)
    deviation = np.sqrt(inputs**2 @ scale**2)
    np.testing.assert_allclose(draws.mean(0), inputs @ mean, atol=4.5 * deviation.max() / 3000**0.5)
    np.testing.assert_allclose(draws.std(0) / deviation, 1, atol=4.5 / 6000**0.5)


@pytest.mark.parametrize("estimator", ESTIMATORS.values(), ids=ESTIMATORS)
def test_convolution_has_the_same_mean_and_deviation(rng, estimator):
    inputs = rng.normal(size=(2, 5, 4, 2)).astype("float32")
    mean = rng.normal(size=(3, 3, 2, 3)).astype("float32")
    scale = rng.uniform(0.1, 0.4, mean.shape).astype("float32")
    draws = _draws(estimator, _convolve, inputs, mean, scale, 2000)
    deviation = np.sqrt(_convolve(inputs**2, scale**2))
    error = draws.mean(0) - _convolve(inputs, mean)
    assert np.abs(error / deviation).max() < 5 / 2000**0.5
    np.testing.assert_allclose(draws.std(0) / deviation, 1, atol=5 / 4000**0.5)


@pytest.mark.parametrize("estimator", ESTIMATORS.values(), ids=ESTIMATORS)
def test_without_deviation_it_is_the_plain_map(rng, estimator):
    inputs, mean, scale = _material(rng)
    found = estimator(ops.matmul, tf.constant(inputs), mean, 0 * scale, 1)
    np.testing.assert_allclose(found, inputs @ mean, rtol=1e-5, atol=1e-5)


def _common_noise(estimator, rng):
    """Correlation of what is added to two examples that are the same."""
    inputs, mean, scale = _material(rng, examples=1)
    draws = _draws(estimator, ops.matmul, np.repeat(inputs, 2, axis=0), mean, scale, 1500)
    return np.corrcoef(draws[..., 0].T)[0, 1]


def test_examples_have_their_noise_in_common_or_not(rng):
    assert _common_noise(reparameterization, rng) > 0.999
    assert abs(_common_noise(flipout, rng)) < 0.1
    assert abs(_common_noise(local_reparameterization, rng)) < 0.1


@pytest.mark.parametrize(("linear", "shape"), [("dense", (32, 10)), ("conv", (16, 6, 5, 2))])
def test_gradients_vary_less_than_with_one_draw_for_the_batch(rng, linear, shape):
    """Wen et al. (2018), section 4.2: the gradient of the mean over a batch."""
    inputs = tf.constant(rng.normal(size=shape).astype("float32"))
    kernel = (shape[-1], 4) if linear == "dense" else (3, 3, shape[-1], 4)
    mean = tf.Variable(rng.normal(size=kernel).astype("float32"))
    scale = tf.fill(kernel, 0.3)
    apply = ops.matmul if linear == "dense" else _convolve
    seed = keras.random.SeedGenerator(4)

    def variance(estimator):
        @tf.function
        def gradient():
            with tf.GradientTape() as tape:
                outputs = estimator(apply, inputs, tf.convert_to_tensor(mean), scale, seed)
                loss = tf.reduce_mean(tf.square(outputs))
            return tape.gradient(loss, mean)

        return np.stack([gradient() for _ in range(200)]).var(axis=0).mean()

    plain = variance(reparameterization)
    assert variance(flipout) < 0.5 * plain
    assert variance(local_reparameterization) < 0.5 * plain


@pytest.mark.parametrize("estimator", ESTIMATORS.values(), ids=ESTIMATORS)
def test_outputs_have_the_dtype_of_the_inputs(rng, estimator):
    inputs, mean, scale = _material(rng)
    assert estimator(ops.matmul, tf.cast(inputs, tf.bfloat16), mean, scale, 1).dtype == tf.bfloat16


def test_silence_has_a_slope():
    """The root of a variance of 0 must not make gradients NaN."""
    mean = tf.Variable(tf.ones((3, 2)))
    with tf.GradientTape() as tape:
        tape.watch(mean)
        found = local_reparameterization(
            ops.matmul, tf.zeros((2, 3)), tf.convert_to_tensor(mean), tf.ones((3, 2)), 1
        )
    assert np.isfinite(tape.gradient(found, mean)).all()
