"""Variational dense and convolutional layers, and the weight of their KL divergence.

The layers keep the names, variables and defaults of ``tfp.layers`` where possible: a mean-field
normal posterior of the kernel, a deterministic bias, a standard normal prior. Their base class,
the estimators of the outputs and the KL divergence are in :mod:`serkit.layers.posterior`, the
priors in :mod:`serkit.layers.priors`. There are two differences from ``tfp.layers``:

- The initial standard deviation of the posterior is 1e-3. ``tfp.layers`` uses about 0.05. With that
  value deep networks do not learn.
- The variable ``kl_weight`` scales the KL divergence. ``tfp.layers`` scales it in a divergence
  function.

Each call uses new random weights, in prediction as in training. So ``model.predict`` returns the
result of one sample of the weights, and differs from call to call. :mod:`serkit.uncertainty`
predicts with any number of samples.
"""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from serkit.errors import InputError, check_choice, check_range
from serkit.layers.dropout import layers_of
from serkit.layers.posterior import VariationalLayer
from serkit.layers.priors import Prior


@keras.saving.register_keras_serializable("serkit")
class DenseVariational(VariationalLayer):
    """Dense layer with a normal posterior of its kernel, for Keras 3.

    Keras 3 does not accept the layers of TensorFlow Probability, which are written for Keras 2
    (tensorflow/probability issues 1829 and 1381). This layer is a Keras 3 layer: it can be used in
    any model, trained with ``fit``, saved, loaded and exported.

    Inputs are ``(batch, …, channels)`` of any float dtype and range, outputs ``(batch, …, units)``.
    Each call adds the KL divergence, in nats, times ``kl_weight`` to the model's loss.

    Args:
        units: number of output units, 1 or more.
        activation: as for ``keras.layers.Dense``.
        estimator: how the outputs are computed from the random kernel. ``flipout``: one kernel
            sample per batch, whose deviation from the mean is multiplied by random sign vectors per
            example. ``local_reparameterization``: samples each output from its own normal
            distribution. ``reparameterization``: one kernel sample for the whole batch.
        prior: prior of the kernel: ``normal`` (standard normal), ``scale_mixture``, or an object of
            :mod:`serkit.layers.priors`.
        **kwargs: keyword arguments passed to :class:`serkit.layers.posterior.VariationalLayer`,
            such as ``kl_weight`` and ``seed``, and those of any Keras layer.

    Raises:
        InputError: if a value is out of range or a name is unknown.

    Example:
        >>> import numpy as np
        >>> from serkit.layers import DenseVariational
        >>> layer = DenseVariational(3, estimator="local_reparameterization", seed=1)
        >>> layer(np.ones((2, 5), "float32")).shape.as_list()
        [2, 3]
        >>> layer.posterior.loc.shape.as_list()
        [5, 3]

    Source: Blundell et al. (2015), arXiv:1505.05424; Wen et al. (2018), Flipout, arXiv:1803.04386;
    Kingma et al. (2015), local reparameterisation, arXiv:1506.02557; Kingma & Welling (2014),
    arXiv:1312.6114.
    """

    def __init__(
        self,
        units: int,
        activation: str | Callable[..., Any] | None = None,
        *,
        estimator: str = "flipout",
        prior: str | Prior | dict[str, Any] = "normal",
        **kwargs: Any,
    ) -> None:
        super().__init__(activation, estimator=estimator, prior=prior, **kwargs)
        check_range("units", units, 1)
        self.units: int = units
        self.input_spec = keras.layers.InputSpec(min_ndim=2)

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Create the variables for inputs ``(batch, …, channels)``."""
        kernel_shape = (input_shape[-1], self.units)
        self.add_variables(kernel_shape, bias_count=self.units)
        self.input_spec = keras.layers.InputSpec(min_ndim=2, axes={-1: input_shape[-1]})

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Return random outputs and add the KL divergence to the losses.

        ``training`` is ignored.
        """
        return self.sample_outputs(linear=ops.matmul, inputs=inputs)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return ``(batch, …, units)``."""
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer as JSON values."""
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("serkit")
class Conv2DVariational(VariationalLayer):
    """2D convolution with a normal posterior of its kernel, for Keras 3.

    Keras 3 does not accept the layers of TensorFlow Probability; see :class:`DenseVariational`.

    Inputs are ``(batch, frames, bins, channels)`` of any float dtype and range, outputs
    ``(batch, frames, bins, filters)`` with frames and bins as from ``keras.layers.Conv2D``. Each
    call adds the KL divergence, in nats, times ``kl_weight`` to the model's loss.

    Args:
        filters: number of output channels, 1 or more.
        kernel_size: one number, or two numbers for frames and bins, each 1 or more.
        strides: one number, or two numbers for frames and bins, each 1 or more.
        padding: ``valid`` or ``same``.
        activation: as for ``keras.layers.Conv2D``.
        estimator: as for :class:`DenseVariational`. ``local_reparameterization`` samples the
            outputs of different positions independently, although they share their weights.
        prior: as for :class:`DenseVariational`.
        **kwargs: as for :class:`DenseVariational`.

    Raises:
        InputError: if a value is out of range or a name is unknown.

    Example:
        >>> import numpy as np
        >>> from serkit.layers import Conv2DVariational
        >>> layer = Conv2DVariational(4, 3, padding="same", estimator="flipout", seed=1)
        >>> layer(np.ones((2, 8, 6, 1), "float32")).shape.as_list()
        [2, 8, 6, 4]

    Source: as for :class:`DenseVariational`; Shridhar et al. (2018), arXiv:1806.05978, for
    ``local_reparameterization``.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        strides: int | tuple[int, int] = 1,
        padding: str = "valid",
        activation: str | Callable[..., Any] | None = None,
        *,
        estimator: str = "flipout",
        prior: str | Prior | dict[str, Any] = "normal",
        **kwargs: Any,
    ) -> None:
        super().__init__(activation, estimator=estimator, prior=prior, **kwargs)
        check_range("filters", filters, 1)
        check_choice("padding", padding, ("valid", "same"))
        self.filters: int = filters
        self.padding: str = padding
        self.kernel_size: tuple[int, int] = _frames_and_bins("kernel_size", kernel_size)
        self.strides: tuple[int, int] = _frames_and_bins("strides", strides)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Create the variables for inputs ``(batch, frames, bins, channels)``."""
        kernel_shape = (*self.kernel_size, input_shape[-1], self.filters)
        self.add_variables(kernel_shape, bias_count=self.filters)
        self.input_spec = keras.layers.InputSpec(ndim=4, axes={-1: input_shape[-1]})

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Return random outputs and add the KL divergence to the losses.

        ``training`` is ignored.
        """
        return self.sample_outputs(linear=self._convolve, inputs=inputs)

    def _convolve(self, inputs, kernel):
        return ops.conv(inputs, kernel, self.strides, self.padding, "channels_last")

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return ``(batch, frames, bins, filters)``."""
        kernel_shape = (*self.kernel_size, input_shape[-1], self.filters)
        inputs, kernel = keras.KerasTensor(input_shape), keras.KerasTensor(kernel_shape)
        return self._convolve(inputs, kernel).shape

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer as JSON values."""
        arguments = ("filters", "kernel_size", "strides", "padding")
        return {**super().get_config(), **{name: getattr(self, name) for name in arguments}}


def _frames_and_bins(name: str, value: int | tuple[int, int]) -> tuple[int, int]:
    frames, bins = (value, value) if isinstance(value, int) else value
    check_range(name, frames, 1)
    check_range(name, bins, 1)
    return frames, bins


def variational_layers(model: keras.Model) -> Iterator[VariationalLayer]:
    """Return the variational layers of a model, at any depth, in the order of its layers."""
    return (layer for layer in layers_of(model) if isinstance(layer, VariationalLayer))


def set_kl_weight(model: keras.Model, kl_weight: float) -> None:
    """Set the weight of the KL divergence in the loss of all variational layers of a model.

    Args:
        model: model with variational layers at any depth.
        kl_weight: weight of the KL divergence, 0 or more.

    Raises:
        InputError: if ``kl_weight`` is below 0.
    """
    check_range("kl_weight", kl_weight, 0.0)
    for layer in variational_layers(model):
        layer.kl_weight.assign(kl_weight)


class KLWarmup(keras.callbacks.Callback):
    """Raise the weight of the KL divergence linearly to its final value.

    The final weight is ``factor / training_clips``. If ``factor`` is 1 and the loss is a mean over
    clips, the loss of an epoch is then the negative evidence lower bound per clip, for any batch
    size. Dividing by the batch size would add the KL divergence once per batch, so several times
    per epoch.

    The weight rises by the same amount every epoch. It depends only on the epoch, so that a resumed
    training run continues like an uninterrupted one.

    Args:
        training_clips: number of real training clips. Do not count copies and generated samples:
            they add no new information.
        warmup_epochs: number of epochs until the final weight; 0 or 1 for the final weight from the
            start.
        factor: numerator of the final weight, 0 or more; below 1 for a cold posterior (Wenzel et
            al. 2020, arXiv:2002.02405).

    Raises:
        InputError: if a value is out of range, or, at the start of training, if the model has no
            variational layer.

    Example:
        >>> import serkit
        >>> model = serkit.from_deterministic(serkit.lenet5(4, (32, 32, 1)), layers=["logits"])
        >>> warmup = serkit.layers.KLWarmup(training_clips=200, warmup_epochs=10)
        >>> warmup.set_model(model)
        >>> warmup.on_epoch_begin(4)  # the fifth of ten epochs
        >>> round(float(model.get_layer("logits").kl_weight), 4)
        0.0025

    Source: Blundell et al. (2015), arXiv:1505.05424, equation 8; Sønderby et al. (2016),
    arXiv:1602.02282, for the warm-up.
    """

    def __init__(self, training_clips: int, warmup_epochs: int = 0, factor: float = 1.0) -> None:
        super().__init__()
        check_range("training_clips", training_clips, 1)
        check_range("warmup_epochs", warmup_epochs, 0)
        check_range("factor", factor, 0.0)
        self.training_clips: int = training_clips
        self.warmup_epochs: int = warmup_epochs
        self.factor: float = factor

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        if not any(variational_layers(self.model)):
            raise InputError(
                "`KLWarmup` needs a model with at least one variational layer. "
                f"Received: model '{self.model.name}' with none."
            )

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        warmup_fraction = min(1.0, (epoch + 1) / max(1, self.warmup_epochs))
        set_kl_weight(self.model, self.factor * warmup_fraction / self.training_clips)
