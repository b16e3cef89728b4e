"""Faster training of GANs on CPUs: the same networks in another form.

For forward convolutions over many positions, TensorFlow's own ops nearly reach the speed of matmul.
They are much slower for the gradients of strided convolutions, and for convolutions with few
positions and many weights. In these cases the patches are gathered, which costs very little time,
and multiplied by the weights.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

_FEW_FORWARD, _FEW_BACKWARD = 4, 8
"""Largest output sides at which matmul of gathered patches replaces TensorFlow's convolution.

Up to these sizes the gain in speed justifies the memory: a graph keeps the patches of the forward
pass until the backward pass needs them.
"""


def convolution(x: tf.Tensor, kernel: tf.Tensor, stride: int) -> tf.Tensor:
    """Compute a convolution without padding, as ``tf.nn.conv2d``, with faster gradients.

    Args:
        x: ``(batch, height, width, channels)``, with height and width known when the graph is
            built.
        kernel: ``(side, side, channels, filters)``, of the same dtype as ``x``.
        stride: stride in both directions.

    Returns:
        ``(batch, (height - side) // stride + 1, …, filters)``, of the same dtype as ``x``.
    """
    positions = _positions(max(x.shape[1:3]), kernel.shape[0], stride)
    few = positions <= _FEW_BACKWARD

    @tf.custom_gradient
    def convolve(x, kernel):
        def gradient(dy):
            by_x = _by_input_of_few if few else _by_input
            # For many positions in float32, TensorFlow's own op is as fast and takes less memory.
            by_kernel = _by_patches if few or x.dtype == tf.bfloat16 else _by_kernel
            return by_x(x, kernel, dy, stride), by_kernel(x, kernel, dy, stride)

        if positions <= _FEW_FORWARD:
            return _of_few(x, kernel, stride), gradient
        return tf.nn.conv2d(x, kernel, stride, "VALID"), gradient

    return convolve(x, kernel)


def batch_normalized(
    x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor, epsilon: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Apply batch normalisation over all axes except the last, in one op.

    Args:
        x: ``(batch, height, width, channels)``, float32 or bfloat16.
        scale: float32 ``(channels,)``.
        offset: float32 ``(channels,)``.
        epsilon: constant added to the variance.

    Returns:
        The normalised tensor, of the same shape and dtype as ``x``; the batch's float32 mean; and
        its float32 (biased) variance.
    """
    y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x, scale=scale, offset=offset, mean=[], variance=[], epsilon=epsilon, is_training=True
    )
    # The op returns the unbiased variance, like PyTorch. Keras' moving variance is biased.
    count = tf.cast(tf.size(x, tf.int64) // x.shape[-1], tf.float32)
    return y, mean, variance * (count - 1) / count


def leaky_relu(x: tf.Tensor, slope: float) -> tf.Tensor:
    """Return ``x`` where it is positive, else ``slope * x``; ``slope`` is in [0, 1)."""

    @tf.custom_gradient
    def bend(x):
        y = tf.nn.leaky_relu(x, slope) if slope else tf.nn.relu(x)

        def gradient(dy):
            # TensorFlow's gradient is ten times slower in bfloat16 than in float32.
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
    """Gather the ``(side, side, channels)`` patch of each position as one row.

    Returns:
        ``(batch * positions, side * side * channels)``.
    """
    _, height, width, channels = x.shape
    starts = [stride * np.arange(_positions(length, side, stride)) for length in (height, width)]
    steps = np.arange(side)
    rows = starts[0][:, None, None, None] + steps[:, None]
    columns = starts[1][:, None, None] + steps
    pixels = tf.reshape(x, [-1, height * width, channels])
    places = tf.constant((rows * width + columns).ravel(), tf.int32)
    return tf.reshape(tf.gather(pixels, places, axis=1), [-1, side * side * channels])


def _sum_of_patches(patches: tf.Tensor, stride: int, height: int, width: int) -> tf.Tensor:
    """Add up patches ``(batch, rows, columns, side, side, channels)`` at their positions.

    This is the transpose of :func:`_patches`.
    """
    _, rows, columns, side, _, channels = patches.shape
    high, wide = -(-height // stride), -(-width // stride)
    phases = []
    # Input positions with the same remainder modulo the stride form one grid each. Patches are
    # added up grid by grid.
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


def trained_form(network: keras.Model) -> "PlainForm | TrainedForm":
    """Return the form in which a network trains fastest on this machine.

    With a GPU this is the unchanged network: cuDNN is faster than the replaced layers.
    """
    return PlainForm(network) if tf.config.list_physical_devices("GPU") else TrainedForm(network)


class PlainForm:
    """An unchanged network in training mode.

    Args:
        network: any model.
    """

    def __init__(self, network: keras.Model) -> None:
        self._network = network

    def __call__(self, inputs):
        """Return ``network(inputs, training=True)``."""
        return self._network(inputs, training=True)

    def both(self, first, second) -> tuple[tf.Tensor, tf.Tensor]:
        """Call the network on two batches, one after the other."""
        return self(first), self(second)


class TrainedForm:
    """A network in training mode with faster ops, for one batch or for two batches in one pass.

    It uses the variables of the network's own layers. It is not a Keras object. So a model that has
    it as an attribute does not count these variables twice.

    Args:
        network: functional model; its variables are used, and updated, as by the network itself.
    """

    def __init__(self, network: keras.Model) -> None:
        self._one = keras.models.clone_model(network, clone_function=_Faster(1))
        self._two = keras.models.clone_model(network, clone_function=_Faster(2))

    def __call__(self, inputs):
        """Return ``network(inputs, training=True)``, equal within rounding."""
        return self._one(inputs, training=True)

    def both(self, first, second) -> tuple[tf.Tensor, tf.Tensor]:
        """Call the network on two batches in one pass.

        The result equals that of two calls within rounding, because batch normalisation and dropout
        treat each batch separately. Convolutions take both batches at once, so that weights are
        read, and their gradients written, only once.

        Args:
            first: inputs of one batch.
            second: inputs of another batch, of the same size and structure.
        """
        joined = tf.nest.map_structure(lambda a, b: tf.concat([a, b], 0), first, second)
        return tuple(tf.split(self._two(joined, training=True), 2))


class _Faster:
    """Return the faster replacement of a layer, or the layer itself if it has no replacement."""

    def __init__(self, batches: int) -> None:
        self._batches = batches

    def __call__(self, layer: keras.Layer) -> keras.Layer:
        if _is_known_convolution(layer):
            layer = _Convolution(layer)
        elif _is_known_normalization(layer):
            layer = _BatchNormalization(layer)
        elif _is_known_activation(layer):
            layer = _LeakyReLU(layer)
        if self._batches > 1 and isinstance(layer, (_BatchNormalization, *_OF_BATCHES)):
            layer = _Apart(layer, self._batches)
        return layer


# Layers in which an example's output depends on the other examples, or on the place, in its batch.
_OF_BATCHES = layers.BatchNormalization, layers.Dropout, layers.SpatialDropout2D


def _is_known_convolution(layer: keras.Layer) -> bool:
    # With one input or output channel the matrix product is too small to gain from matmul.
    return (
        type(layer) is layers.Conv2D
        and (layer.padding, layer.data_format, layer.groups) == ("valid", "channels_last", 1)
        and layer.activation is keras.activations.linear
        and max(layer.dilation_rate) == 1
        and len({*layer.strides}) == len({*layer.kernel_size}) == 1
        and min(layer.kernel.shape[2:]) > 1
    )


def _is_known_normalization(layer: keras.Layer) -> bool:
    return (
        type(layer) is layers.BatchNormalization
        and (layer.input_spec.ndim, layer.axis) in ((4, -1), (4, 3))
        and layer.trainable
        and layer.scale
        and layer.center
        and not (layer.renorm or layer.synchronized)
    )


def _is_known_activation(layer: keras.Layer) -> bool:
    if type(layer) is layers.ReLU:
        return layer.max_value is None and layer.threshold == 0 and 0 <= layer.negative_slope < 1
    return type(layer) is layers.LeakyReLU and 0 <= layer.negative_slope < 1


class _Standing(layers.Layer):
    """Base class of a layer that replaces another layer and uses its variables."""

    def __init__(self, layer: keras.Layer) -> None:
        super().__init__(name=layer.name, dtype=layer.dtype_policy)
        self.layer = layer
        self.built = True

    def compute_output_shape(self, input_shape):
        return self.layer.compute_output_shape(input_shape)


class _Convolution(_Standing):
    def call(self, x):
        y = convolution(x, tf.convert_to_tensor(self.layer.kernel), self.layer.strides[0])
        return y if self.layer.bias is None else y + self.layer.bias


class _BatchNormalization(_Standing):
    def call(self, x, training=False, mask=None):
        norm = self.layer
        scale, offset = norm.gamma, norm.beta
        y, mean, variance = batch_normalized(x, scale.value, offset.value, norm.epsilon)
        for known, new in ((norm.moving_mean, mean), (norm.moving_variance, variance)):
            known.assign(known * norm.momentum + new * (1.0 - norm.momentum))
        return y


class _LeakyReLU(_Standing):
    def call(self, x):
        return leaky_relu(x, float(self.layer.negative_slope))


class _Apart(_Standing):
    """Apply a layer separately to each of several batches that are concatenated along axis 0."""

    def __init__(self, layer: keras.Layer, batches: int) -> None:
        super().__init__(layer)
        self._batches = batches

    def call(self, x, training=False, mask=None):
        return tf.concat(
            [self.layer(part, training=training) for part in tf.split(x, self._batches)], axis=0
        )
