"""What networks are made of, for CPUs: same results as Keras' layers within rounding, sooner.

TensorFlow's own ops are near what matmul reaches when a convolution goes forward over many
positions. Its gradients of strided convolutions are not, nor anything that meets few positions and
many weights; there the patches are gathered, which costs next to nothing, and multiplied.
"""

import numpy as np
import tensorflow as tf

_FEW_FORWARD, _FEW_BACKWARD = 4, 8
"""Sides up to which matmul beats TensorFlow's strided convolutions enough to be worth its memory:
a graph keeps patches that it has made on the way forward until it needs them on the way back."""


def convolution(x: tf.Tensor, kernel: tf.Tensor, stride: int) -> tf.Tensor:
    """A convolution without padding; ``tf.nn.conv2d`` with faster gradients.

    Args:
        x: ``(batch, height, width, channels)``, sides known when the graph is built.
        kernel: ``(side, side, channels, filters)``, of the same dtype.
        stride: in both directions.

    Returns:
        ``(batch, (height - side) // stride + 1, …, filters)``, of the same dtype.
    """
    positions = _positions(max(x.shape[1:3]), kernel.shape[0], stride)
    few = positions <= _FEW_BACKWARD

    @tf.custom_gradient
    def convolve(x, kernel):
        def gradient(dy):
            by_x = _by_input_of_few if few else _by_input
            # In float32 TensorFlow's own way to the many is as fast, and takes less memory.
            by_kernel = _by_patches if few or x.dtype == tf.bfloat16 else _by_kernel
            return by_x(x, kernel, dy, stride), by_kernel(x, kernel, dy, stride)

        if positions <= _FEW_FORWARD:
            return _of_few(x, kernel, stride), gradient
        return tf.nn.conv2d(x, kernel, stride, "VALID"), gradient

    return convolve(x, kernel)


def batch_normalized(
    x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor, epsilon: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Batch normalisation over all but the last axis, in one op.

    Args:
        x: ``(batch, height, width, channels)``, float32 or bfloat16.
        scale: float32 ``(channels,)``.
        offset: float32 ``(channels,)``.
        epsilon: added to the variance.

    Returns:
        The same shape and dtype as ``x``; the batch's float32 mean and (biased) variance.
    """
    y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x, scale=scale, offset=offset, mean=[], variance=[], epsilon=epsilon, is_training=True
    )
    # The op gives the unbiased variance, as PyTorch; Keras remembers the other.
    count = tf.cast(tf.size(x, tf.int64) // x.shape[-1], tf.float32)
    return y, mean, variance * (count - 1) / count


def leaky_relu(x: tf.Tensor, slope: float) -> tf.Tensor:
    """``x`` where positive, else ``slope`` times it, ``slope`` in [0, 1)."""

    @tf.custom_gradient
    def bend(x):
        y = tf.nn.leaky_relu(x, slope) if slope else tf.nn.relu(x)

        def gradient(dy):
            # In bfloat16 TensorFlow's is ten times slower than in float32.
            steep, features = tf.cast(dy, tf.float32), tf.cast(y, tf.float32)
            by_x = tf.raw_ops.LeakyReluGrad(gradients=steep, features=features, alpha=slope)
            return tf.cast(by_x, x.dtype)

        return y, gradient

    return bend(x)


def _of_few(x: tf.Tensor, kernel: tf.Tensor, stride: int) -> tf.Tensor:
    side, filters = kernel.shape[0], kernel.shape[3]
    rows, columns = (_positions(length, side, stride) for length in x.shape[1:3])
    made = tf.matmul(_patches(x, side, stride), tf.reshape(kernel, [-1, filters]))
    return tf.reshape(made, [-1, rows, columns, filters])


def _by_kernel(x: tf.Tensor, kernel: tf.Tensor, dy: tf.Tensor, stride: int) -> tf.Tensor:
    return tf.raw_ops.Conv2DBackpropFilter(
        input=x, filter_sizes=tf.shape(kernel), out_backprop=dy,
        strides=[1, stride, stride, 1], padding="VALID",
    )  # fmt: skip


def _by_patches(x: tf.Tensor, kernel: tf.Tensor, dy: tf.Tensor, stride: int) -> tf.Tensor:
    patches = _patches(x, kernel.shape[0], stride)
    flat = tf.reshape(dy, [-1, kernel.shape[3]])
    return tf.reshape(tf.matmul(patches, flat, transpose_a=True), kernel.shape)


def _by_input_of_few(x: tf.Tensor, kernel: tf.Tensor, dy: tf.Tensor, stride: int) -> tf.Tensor:
    side, _, channels, filters = kernel.shape
    rows, columns = dy.shape[1:3]
    kernel = tf.reshape(kernel, [-1, filters])
    patches = tf.matmul(tf.reshape(dy, [-1, filters]), kernel, transpose_b=True)
    patches = tf.reshape(patches, [-1, rows, columns, side, side, channels])
    return _sum_of_patches(patches, stride, *x.shape[1:3])


def _by_input(x: tf.Tensor, kernel: tf.Tensor, dy: tf.Tensor, stride: int) -> tf.Tensor:
    return tf.raw_ops.Conv2DBackpropInput(
        input_sizes=tf.shape(x), filter=kernel, out_backprop=dy,
        strides=[1, stride, stride, 1], padding="VALID",
    )  # fmt: skip


def _positions(length: int, side: int, stride: int) -> int:
    return (length - side) // stride + 1


def _patches(x: tf.Tensor, side: int, stride: int) -> tf.Tensor:
    """Each position's ``(side, side, channels)`` as a row: ``(batch * positions, values)``."""
    _, height, width, channels = x.shape
    starts = [stride * np.arange(_positions(length, side, stride)) for length in (height, width)]
    steps = np.arange(side)
    rows = starts[0][:, None, None, None] + steps[:, None]
    columns = starts[1][:, None, None] + steps
    pixels = tf.reshape(x, [-1, height * width, channels])
    places = tf.constant((rows * width + columns).ravel(), tf.int32)
    return tf.reshape(tf.gather(pixels, places, axis=1), [-1, side * side * channels])


def _sum_of_patches(patches: tf.Tensor, stride: int, height: int, width: int) -> tf.Tensor:
    """Patches ``(batch, rows, columns, side, side, channels)`` added up where they lie."""
    _, rows, columns, side, _, channels = patches.shape
    high, wide = -(-height // stride), -(-width // stride)
    phases = []
    # Places that have the same remainder by the stride lie in a grid of their own.
    for first in range(stride):
        for second in range(stride):
            parts = []
            for i in range(first, side, stride):
                for j in range(second, side, stride):
                    above, left = i // stride, j // stride
                    around = [[0, 0], [above, high - rows - above], [left, wide - columns - left]]
                    parts.append(tf.pad(patches[:, :, :, i, j], [*around, [0, 0]]))
            phases.append(tf.add_n(parts))
    together = tf.reshape(tf.stack(phases, 3), [-1, high, wide, stride, stride, channels])
    together = tf.transpose(together, [0, 1, 3, 2, 4, 5])
    whole = tf.reshape(together, [-1, high * stride, wide * stride, channels])
    return whole[:, :height, :width]
