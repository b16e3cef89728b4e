"""Variational dense and convolutional layers, and the weight of their KL divergence.

Keras 3 does not accept ``tfp.layers``, which is written for Keras 2. The layers here keep its
names, variables and defaults where possible: a mean-field normal posterior of the kernel, a
deterministic bias, a standard normal prior. There are two differences:

- The initial standard deviation of the posterior is 1e-3. ``tfp.layers`` uses about 0.05, with
  which deep networks do not begin to learn.
- The variable ``kl_weight`` scales the KL divergence. ``tfp.layers`` scales it in a divergence
  function.

Every call draws new weights, in prediction as in training: ``model.predict`` returns the result of
one draw, and differs from call to call. :mod:`serkit.uncertainty` takes any number of draws.
"""

from collections.abc import Iterator

import keras
from keras import activations, ops

from serkit.errors import InputError, check_choice, check_range
from serkit.layers import posterior as estimators
from serkit.layers.dropout import layers_of
from serkit.layers.posterior import VariationalLayer


class _Dense(VariationalLayer):
    estimator = None

    def __init__(self, units: int, activation=None, **kwargs) -> None:
        super().__init__(**kwargs)
        check_range("units", units, 1)
        self.units = units
        self.activation = activations.get(activation)
        self.input_spec = keras.layers.InputSpec(min_ndim=2)

    def build(self, input_shape) -> None:
        self.add_kernel((input_shape[-1], self.units), self.units)
        self.input_spec = keras.layers.InputSpec(min_ndim=2, axes={-1: input_shape[-1]})

    def call(self, inputs, training=None):
        return self.activated(ops.matmul, inputs)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict:
        own = {"units": self.units, "activation": activations.serialize(self.activation)}
        return {**super().get_config(), **own}


class _Conv2D(VariationalLayer):
    estimator = None

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        strides: int | tuple[int, int] = 1,
        padding: str = "valid",
        activation=None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        check_range("filters", filters, 1)
        check_choice("padding", padding, ("valid", "same"))
        self.filters, self.padding = filters, padding
        self.kernel_size = _pair("kernel_size", kernel_size)
        self.strides = _pair("strides", strides)
        self.activation = activations.get(activation)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape) -> None:
        self.add_kernel((*self.kernel_size, input_shape[-1], self.filters), self.filters)
        self.input_spec = keras.layers.InputSpec(ndim=4, axes={-1: input_shape[-1]})

    def call(self, inputs, training=None):
        return self.activated(self._convolve, inputs)

    def _convolve(self, inputs, kernel):
        return ops.conv(inputs, kernel, self.strides, self.padding, "channels_last")

    def compute_output_shape(self, input_shape):
        return ops.conv(
            keras.KerasTensor(input_shape),
            keras.KerasTensor((*self.kernel_size, input_shape[-1], self.filters)),
            *(self.strides, self.padding, "channels_last"),
        ).shape

    def get_config(self) -> dict:
        own = {
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "activation": activations.serialize(self.activation),
        }
        return {**super().get_config(), **own}


def _pair(name: str, value: int | tuple[int, int]) -> tuple[int, int]:
    pair = (value, value) if isinstance(value, int) else tuple(value)
    for side in pair:
        check_range(name, side, 1)
    return pair


@keras.saving.register_keras_serializable("serkit")
class DenseReparameterization(_Dense):
    """Variational dense layer with one draw of its weights for each batch.

    Args:
        units: number of output units, 1 or more.
        activation: as for ``keras.layers.Dense``.
        **kwargs: see :class:`serkit.layers.posterior.VariationalLayer`.

    Inputs are ``(batch, …, channels)``, outputs ``(batch, …, units)``.

    Raises:
        InputError: if a value is out of range.

    Source: Kingma & Welling (2014), arXiv:1312.6114; Blundell et al. (2015), arXiv:1505.05424.
    """

    estimator = staticmethod(estimators.reparameterization)


@keras.saving.register_keras_serializable("serkit")
class DenseFlipout(_Dense):
    """Variational dense layer with Flipout: random signs decorrelate the noise of the examples.

    Arguments, shapes and errors are those of :class:`DenseReparameterization`.

    Source: Wen et al. (2018), arXiv:1803.04386.
    """

    estimator = staticmethod(estimators.flipout)


@keras.saving.register_keras_serializable("serkit")
class DenseLocalReparameterization(_Dense):
    """Variational dense layer that draws its outputs, as if each example had its own weights.

    Arguments, shapes and errors are those of :class:`DenseReparameterization`.

    Source: Kingma et al. (2015), arXiv:1506.02557.
    """

    estimator = staticmethod(estimators.local_reparameterization)


@keras.saving.register_keras_serializable("serkit")
class Conv2DReparameterization(_Conv2D):
    """Variational 2D convolution with one draw of its weights for each batch.

    Args:
        filters: number of output channels, 1 or more.
        kernel_size: one number, or two numbers for frames and bins, each 1 or more.
        strides: one number, or two numbers for frames and bins, each 1 or more.
        padding: ``valid`` or ``same``.
        activation: as for ``keras.layers.Conv2D``.
        **kwargs: see :class:`serkit.layers.posterior.VariationalLayer`.

    Inputs are ``(batch, frames, bins, channels)``, outputs ``(batch, frames, bins, filters)``.

    Raises:
        InputError: if a value is out of range.

    Source: Kingma & Welling (2014), arXiv:1312.6114; Blundell et al. (2015), arXiv:1505.05424.
    """

    estimator = staticmethod(estimators.reparameterization)


@keras.saving.register_keras_serializable("serkit")
class Conv2DFlipout(_Conv2D):
    """Variational 2D convolution with Flipout: random signs decorrelate the examples' noise.

    Arguments, shapes and errors are those of :class:`Conv2DReparameterization`.

    Source: Wen et al. (2018), arXiv:1803.04386.
    """

    estimator = staticmethod(estimators.flipout)


@keras.saving.register_keras_serializable("serkit")
class Conv2DLocalReparameterization(_Conv2D):
    """Variational 2D convolution that draws its outputs, independently at each position.

    Arguments, shapes and errors are those of :class:`Conv2DReparameterization`.

    Source: Kingma et al. (2015), arXiv:1506.02557; Shridhar et al. (2018), arXiv:1806.05978.
    """

    estimator = staticmethod(estimators.local_reparameterization)


def variational_layers(model: keras.Model) -> Iterator[VariationalLayer]:
    """Return the variational layers of a model, at any depth, in the order of its layers."""
    return (layer for layer in layers_of(model) if isinstance(layer, VariationalLayer))


def set_kl_weight(model: keras.Model, weight: float) -> None:
    """Set the weight of the KL divergence in the loss of all variational layers of a model.

    Args:
        model: model with variational layers at any depth.
        weight: weight of the KL divergence, 0 or more.

    Raises:
        InputError: if ``weight`` is below 0.
    """
    check_range("weight", weight, 0.0)
    for layer in variational_layers(model):
        layer.kl_weight.assign(weight)


class KLWarmup(keras.callbacks.Callback):
    """Raise the weight of the KL divergence linearly to its final value.

    By default the final weight is one over the number of clips. For a loss that is a mean over
    clips, the loss of an epoch is then the negative evidence lower bound per clip, for any batch
    size. Dividing the KL divergence by the batch size instead would count it too often.

    The weight rises by the same amount every epoch. It depends only on the epoch, so that a resumed
    training run continues like an uninterrupted one.

    Args:
        clips: number of real training clips. Do not count copies and generated samples: they add no
            new information.
        epochs: number of epochs until the final weight; 0 or 1 for the final weight from the start.
        weight: factor of the final weight; below 1 for a cold posterior (Wenzel et al. 2020,
            arXiv:2002.02405).

    Raises:
        InputError: if a value is out of range, or, at the start of training, if the model has no
            variational layer.

    Source: Blundell et al. (2015), arXiv:1505.05424, equation 8; Sønderby et al. (2016),
    arXiv:1602.02282, for the warm-up.
    """

    def __init__(self, clips: int, epochs: int = 0, weight: float = 1.0) -> None:
        super().__init__()
        check_range("clips", clips, 1)
        check_range("epochs", epochs, 0)
        check_range("weight", weight, 0.0)
        self.clips, self.epochs, self.weight = clips, epochs, weight

    def on_train_begin(self, logs: dict | None = None) -> None:
        if not any(variational_layers(self.model)):
            raise InputError(f"{self.model.name} has no variational layer whose KL could count")

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        share = min(1.0, (epoch + 1) / max(1, self.epochs))
        set_kl_weight(self.model, self.weight * share / self.clips)
