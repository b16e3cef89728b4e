"""Outputs of a linear map whose weights are drawn anew, by three ways that differ in variance.

All take ``linear``, which maps inputs ``(batch, …)`` and a kernel to outputs ``(batch, …)`` and is
linear in both, the mean and the standard deviation of each weight of the kernel, float32, and a
seed as for ``keras.random``. Each output by itself is distributed as if the kernel had been drawn
for it alone; the ways differ in what the examples of a batch have in common. Outputs have the dtype
of the inputs.
"""

from collections.abc import Callable

import keras
import tensorflow as tf
from keras import ops

Linear = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]

# Below the smallest variance that changes a float32 sum; the root has no slope at 0.
_LEAST_VARIANCE = 1e-20


def reparameterization(linear: Linear, inputs, mean, scale, seed):
    """One kernel for the whole batch: the gradients of its examples have their noise in common.

    Source: Kingma & Welling (2014), arXiv:1312.6114.
    """
    noise = keras.random.normal(mean.shape, dtype="float32", seed=seed)
    return linear(inputs, ops.cast(mean + scale * noise, inputs.dtype))


def flipout(linear: Linear, inputs, mean, scale, seed):
    """One draw for the batch, to each example with other signs at each input and output channel.

    So the examples' noise is not correlated, at the price of a second pass of ``linear``. Channels
    are the last axis of inputs and outputs.

    Source: Wen et al. (2018), arXiv:1803.04386.
    """
    noise = keras.random.normal(mean.shape, dtype="float32", seed=seed)
    outputs = linear(inputs, ops.cast(mean, inputs.dtype))
    flipped = inputs * _signs(inputs, seed)
    perturbation = linear(flipped, ops.cast(scale * noise, inputs.dtype))
    return outputs + perturbation * _signs(outputs, seed)


def local_reparameterization(linear: Linear, inputs, mean, scale, seed):
    """Each output is drawn from the normal that the weights' normals add up to.

    Of a dense layer that is exact. Of a convolution each output by itself is distributed as it
    should be, but two positions, whose weights are the same, are drawn as if they were not.

    Source: Kingma et al. (2015), arXiv:1506.02557; for convolutions Shridhar et al. (2018),
    arXiv:1806.05978, which is reference 5 of the report.
    """
    outputs = linear(inputs, ops.cast(mean, inputs.dtype))
    variance = linear(ops.square(inputs), ops.cast(ops.square(scale), inputs.dtype))
    deviation = ops.sqrt(ops.maximum(ops.cast(variance, "float32"), _LEAST_VARIANCE))
    noise = keras.random.normal(ops.shape(outputs), dtype="float32", seed=seed)
    return outputs + ops.cast(deviation * noise, outputs.dtype)


def _signs(x, seed):
    """-1 or 1 for each example and channel, the same at all positions."""
    shape = (ops.shape(x)[0], *[1] * (len(x.shape) - 2), x.shape[-1])
    drawn = keras.random.uniform(shape, dtype="float32", seed=seed)
    return ops.cast(ops.where(drawn < 0.5, -1.0, 1.0), x.dtype)
