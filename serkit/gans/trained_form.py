"""A network in the form in which it trains fastest on a CPU; what is saved stays plain Keras."""

import keras
import tensorflow as tf
from keras import layers

from serkit.gans.kernels import batch_normalized, convolution, leaky_relu


def trained_form(network: keras.Model) -> "PlainForm | TrainedForm":
    """The form that a network trains fastest in on this machine.

    With a GPU that is the network as it is: cuDNN is faster than what is made of its parts.
    """
    return PlainForm(network) if tf.config.list_physical_devices("GPU") else TrainedForm(network)


class PlainForm:
    """A network in training mode, as it is.

    Args:
        network: any model.
    """

    def __init__(self, network: keras.Model) -> None:
        self._network = network

    def __call__(self, inputs):
        """``network(inputs, training=True)``."""
        return self._network(inputs, training=True)

    def both(self, first, second) -> tuple[tf.Tensor, tf.Tensor]:
        """Two such calls, one after the other."""
        return self(first), self(second)


class TrainedForm:
    """A network for training: the same layers' variables, faster ops, two batches in one pass.

    Not a Keras object, so that a model that has one does not count its variables twice.

    Args:
        network: a functional model; its variables are used, and changed, as by itself.
    """

    def __init__(self, network: keras.Model) -> None:
        self._one = keras.models.clone_model(network, clone_function=_Faster(1))
        self._two = keras.models.clone_model(network, clone_function=_Faster(2))

    def __call__(self, inputs):
        """As ``network(inputs, training=True)``, within rounding."""
        return self._one(inputs, training=True)

    def both(self, first, second) -> tuple[tf.Tensor, tf.Tensor]:
        """As two such calls, one after the other: batch norm and dropout keep them apart.

        Convolutions take both at once: weights are read, and their gradients written, once.

        Args:
            first: inputs of one batch.
            second: of another of the same size, in the same structure.
        """
        joined = tf.nest.map_structure(lambda a, b: tf.concat([a, b], 0), first, second)
        return tuple(tf.split(self._two(joined, training=True), 2))


class _Faster:
    """Gives the layer that stands for another; the same for those that are fast as they are."""

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


# Layers in which an example's result depends on the batch that it is in.
_OF_BATCHES = layers.BatchNormalization, layers.Dropout, layers.SpatialDropout2D


def _is_known_convolution(layer: keras.Layer) -> bool:
    # With one channel on either side there is little to multiply.
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
    """For another layer, whose variables it uses."""

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
    """A layer on each of several batches that come as one."""

    def __init__(self, layer: keras.Layer, batches: int) -> None:
        super().__init__(layer)
        self._batches = batches

    def call(self, x, training=False, mask=None):
        return tf.concat(
            [self.layer(part, training=training) for part in tf.split(x, self._batches)], axis=0
        )
