import numpy as np
import pytest
import tensorflow as tf

from serkit.gans.cpu_fast_path import batch_normalized, convolution, leaky_relu


def _gradients(work, *inputs):
    """What comes out, and its gradients for an uneven upstream one, in float64."""
    inputs = [tf.convert_to_tensor(value) for value in inputs]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        y = work(*inputs)
    upstream = tf.cast(np.random.default_rng(1).normal(size=y.shape), y.dtype)
    return [np.asarray(tf.cast(v, tf.float64)) for v in (y, *tape.gradient(y, inputs, upstream))]


# With few positions and with many; strides that leave a rest, or nothing; stride 1 and above.
@pytest.mark.parametrize("length", [9, 19, 20, 31])
@pytest.mark.parametrize(("side", "stride"), [(4, 2), (5, 2), (6, 3), (3, 1)])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("bfloat16", 2e-2)])
def test_a_convolution_and_its_gradients_are_tensorflows(
    length, side, stride, dtype, tolerance, rng
):
    x = tf.cast(rng.normal(size=(2, length, length + 1, 3)), dtype)
    kernel = tf.cast(rng.normal(size=(side, side, 3, 4)), dtype)
    ours = _gradients(lambda x, w: convolution(x, w, stride), x, kernel)
    exact = [tf.cast(value, tf.float64) for value in (x, kernel)]
    theirs = _gradients(lambda x, w: tf.nn.conv2d(x, w, stride, "VALID"), *exact)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=tolerance * np.abs(other).max())


def test_a_convolution_can_be_differentiated_twice(rng):
    """What the gradient penalty needs."""
    x = tf.constant(rng.normal(size=(2, 9, 9, 2)), tf.float32)
    kernel = tf.constant(rng.normal(size=(4, 4, 2, 3)), tf.float32)

    def penalty(convolve):
        with tf.GradientTape() as outer:
            outer.watch(kernel)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = tf.reduce_sum(leaky_relu(convolve(x, kernel), 0.2) ** 2)
            loss = tf.reduce_sum(inner.gradient(y, x) ** 2)
        return outer.gradient(loss, kernel)

    plain = penalty(lambda x, w: tf.nn.conv2d(x, w, 2, "VALID"))
    np.testing.assert_allclose(penalty(lambda x, w: convolution(x, w, 2)), plain, rtol=1e-3)


def test_batch_normalisation_worked_out_by_hand():
    x = tf.reshape(tf.constant([1.0, 2.0, 3.0, 6.0]), (4, 1, 1, 1))
    y, mean, variance = batch_normalized(x, tf.constant([2.0]), tf.constant([1.0]), 0.5)
    assert float(mean[0]) == pytest.approx(3.0)
    # (4 + 1 + 0 + 9) / 4, not / 3.
    assert float(variance[0]) == pytest.approx(3.5)
    np.testing.assert_allclose(tf.reshape(y, [-1]), [-1, 0, 1, 4], atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("slope", [0.0, 0.2])
def test_leaky_relu_and_its_gradient(dtype, slope):
    x = tf.constant([-2.0, -0.5, 0.5, 4.0], dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = leaky_relu(x, slope)
    by_x = tape.gradient(y, x)
    assert y.dtype == by_x.dtype == x.dtype
    np.testing.assert_allclose(tf.cast(y, "float32"), [-2 * slope, -slope / 2, 0.5, 4], rtol=1e-2)
    np.testing.assert_allclose(tf.cast(by_x, "float32"), [slope, slope, 1, 1], rtol=1e-2)
