"""Variational dense and convolutional layers, and the weight of their KL divergence.

``tfp.layers`` itself is of Keras 2 and refused by Keras 3. Names, variables and defaults are kept
where they can be: a mean-field normal posterior of the kernel, a plain bias, a standard normal
prior. Other than there, a posterior starts with a standard deviation of 1e-3, rather than about
0.05, with which deep networks do not begin to learn; and the KL counts ``kl_weight`` times, a
variable, rather than what a divergence function makes of it.

Every call draws weights anew, in prediction as in training: ``model.predict`` gives one draw, and
different ones for the same input. :mod:`serkit.uncertainty` takes as many draws as are wanted.
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
    """A dense layer, one draw of its weights for each batch.

    Args:
        units: of its output, 1 or more.
        activation: as for ``keras.layers.Dense``.
        **kwargs: see :class:`serkit.layers.posterior.VariationalLayer`.

    Inputs are ``(batch, …, channels)``, outputs ``(batch, …, units)``.

    Raises:
        InputError: for a value out of range.

    Source: Kingma & Welling (2014), arXiv:1312.6114; Blundell et al. (2015), arXiv:1505.05424.
    """

    estimator = staticmethod(estimators.reparameterization)


@keras.saving.register_keras_serializable("serkit")
class DenseFlipout(_Dense):
    """A dense layer whose draws are told apart by random signs for each example.

    Arguments, shapes and errors as for :class:`DenseReparameterization`.

    Source: Wen et al. (2018), arXiv:1803.04386.
    """

    estimator = staticmethod(estimators.flipout)


@keras.saving.register_keras_serializable("serkit")
class DenseLocalReparameterization(_Dense):
    """A dense layer that draws its outputs, as if each example had weights of its own.

    Arguments, shapes and errors as for :class:`DenseReparameterization`.

    Source: Kingma et al. (2015), arXiv:1506.02557.
    """

    estimator = staticmethod(estimators.local_reparameterization)


@keras.saving.register_keras_serializable("serkit")
class Conv2DReparameterization(_Conv2D):
    """A convolution, one draw of its weights for each batch.

    Args:
        filters: channels of its output, 1 or more.
        kernel_size: one number or two, of frames and bins.
        strides: the same.
        padding: ``valid`` or ``same``.
        activation: as for ``keras.layers.Conv2D``.
        **kwargs: see :class:`serkit.layers.posterior.VariationalLayer`.

    Inputs are ``(batch, frames, bins, channels)``, outputs ``(batch, frames, bins, filters)``.

    Raises:
        InputError: for a value out of range.

    Source: Kingma & Welling (2014), arXiv:1312.6114; Blundell et al. (2015), arXiv:1505.05424.
    """

    estimator = staticmethod(estimators.reparameterization)


@keras.saving.register_keras_serializable("serkit")
class Conv2DFlipout(_Conv2D):
    """A convolution whose draws are told apart by random signs for each example.

    Arguments, shapes and errors as for :class:`Conv2DReparameterization`.

    Source: Wen et al. (2018), arXiv:1803.04386.
    """

    estimator = staticmethod(estimators.flipout)


@keras.saving.register_keras_serializable("serkit")
class Conv2DLocalReparameterization(_Conv2D):
    """A convolution that draws its outputs, each position by itself.

    Arguments, shapes and errors as for :class:`Conv2DReparameterization`.

    Source: Kingma et al. (2015), arXiv:1506.02557; Shridhar et al. (2018), arXiv:1806.05978.
    """

    estimator = staticmethod(estimators.local_reparameterization)


def variational_layers(model: keras.Model) -> Iterator[VariationalLayer]:
    """Those of a model, at any depth, in its order."""
    return (layer for layer in layers_of(model) if isinstance(layer, VariationalLayer))


def set_kl_weight(model: keras.Model, weight: float) -> None:
    """What the KL counts in the loss of all variational layers from now on, 0 or more."""
    check_range("weight", weight, 0.0)
    for layer in variational_layers(model):
        layer.kl_weight.assign(weight)


class KLWarmup(keras.callbacks.Callback):
    """The KL counts one over the number of clips in the end, and less before.

    With a loss that is a mean over clips, this makes the loss of an epoch the negative evidence
    lower bound per clip, whatever the batch size; to divide by the number of clips in a batch
    instead would count the KL too often. It rises by the same amount every epoch, and depends on
    the epoch alone, so that a resumed training goes on as if it had not been killed.

    Args:
        clips: number of real training clips: copies and generated samples tell nothing new.
        epochs: that it takes to count in full; 0 or 1 for from the start.
        weight: what it counts in the end, as a multiple of that; below 1 for a cold posterior
            (Wenzel et al. 2020, arXiv:2002.02405).

    Raises:
        InputError: for a value out of range, or, as the training begins, if no layer of the model
            is variational.

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
