"""A small residual network that trains in minutes on two cores."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import keras
from keras import layers, ops

from serkit.errors import InputError, check_choice, check_range
from serkit.seeds import derive_seed
from serkit.training.precision import PRECISIONS, dtype_policy_scope

# A frame is padding if all its bins are at or below this value; exact silence is -1.
_PADDING = -0.999


@dataclass(frozen=True)
class CompactSettings:
    """Architecture of the compact network.

    Attributes:
        pool: size of the average pooling of the input, in frames and bins.
        stride: stride of the stem (the first convolution), in frames and bins.
        channels: number of channels of the stem and of each residual block; every block halves both
            sides.
        squeeze: channels per hidden unit of a block's squeeze-and-excitation.
        attention: number of hidden units of the attention over time.
        dropout: dropout rate before the last layer, 0 to 0.95.
        precision: ``float32``, or ``mixed_bfloat16`` to compute in bfloat16, with weights, pooling
            over time and logits in float32.

    Raises:
        InputError: if a value is out of range.

    Example:
        >>> import serkit
        >>> settings = serkit.CompactSettings(channels=(8, 16, 32), dropout=0.5)
        >>> serkit.compact(4, (64, 64, 1), settings).count_params() < 30_000
        True
    """

    pool: tuple[int, int] = (2, 4)
    stride: tuple[int, int] = (1, 1)
    channels: tuple[int, ...] = (24, 32, 64, 128)
    squeeze: int = 8
    attention: int = 32
    dropout: float = 0.3
    precision: str = "float32"

    def __post_init__(self) -> None:
        check_range("dropout", self.dropout, 0.0, 0.95)
        check_range("squeeze", self.squeeze, 1)
        check_range("attention", self.attention, 1)
        check_choice("precision", self.precision, PRECISIONS)
        for name in ("pool", "stride"):
            value = getattr(self, name)
            if len(value) != 2 or min(value) < 1:
                raise InputError(f"`{name}` must be two positive numbers. Received: {value!r}.")
        if len(self.channels) < 2 or min(self.channels) < 1:
            raise InputError(
                f"`channels` must be two or more positive numbers. Received: {self.channels!r}."
            )


def compact(
    classes: int,
    shape: tuple[int, int, int],
    settings: CompactSettings | None = None,
    seed: int = 0,
) -> keras.Model:
    """Build a network of residual blocks, mean over frequency and attentive statistics over time.

    The statistics are the mean and the standard deviation, weighted by attention. Frames of
    padding, in which all bins are silent, get no attention, so that the output does not depend on
    the amount of padding.

    Args:
        classes: number of classes, at least 2.
        shape: ``(frames, bins, 1)`` of the spectrograms, each side at least 8 after pooling and the
            stem's stride.
        settings: architecture of the network.
        seed: seed of initial weights and dropout.

    Returns:
        A model from float32 ``(batch, frames, bins, 1)`` in [-1, 1] to logits ``(batch, classes)``.

    Raises:
        InputError: if ``classes`` is below 2.

    Example:
        >>> import numpy as np
        >>> import serkit
        >>> model = serkit.compact(4, (64, 64, 1), serkit.CompactSettings(channels=(4, 8)))
        >>> model(np.zeros((2, 64, 64, 1), "float32")).shape
        TensorShape([2, 4])

    Source: He et al. (2016), identity mappings, arXiv:1603.05027; Hu et al. (2018),
    squeeze-and-excitation, arXiv:1709.01507; Okabe et al. (2018), attentive statistics pooling,
    arXiv:1803.10963.
    """
    check_range("classes", classes, 2)
    settings = settings or CompactSettings()
    new_initializer = _initializer_factory(seed)
    stem_channels, *block_channels = settings.channels
    with dtype_policy_scope(settings.precision):
        inputs = keras.Input(shape, name="spectrogram")
        x = layers.AveragePooling2D(settings.pool)(inputs)
        x = layers.Conv2D(
            stem_channels,
            3,
            strides=settings.stride,
            padding="same",
            use_bias=False,
            kernel_initializer=new_initializer(),
        )(x)
        for channels in block_channels:
            x = _residual_block(x, channels, settings.squeeze, new_initializer)
        x = layers.ReLU()(_batch_norm()(x))
        frames_per_step = settings.pool[0] * settings.stride[0] * 2 ** len(block_channels)
        has_sound = _steps_with_sound(inputs, frames_per_step, x.shape[1])
        x = ops.mean(x, axis=2)
        x = attentive_statistics(x, has_sound, settings.attention, new_initializer)
        x = layers.Dropout(settings.dropout, seed=derive_seed(seed, "compact", "dropout"))(x)
        logits = layers.Dense(
            classes, kernel_initializer=new_initializer(), dtype="float32", name="logits"
        )(x)
        return keras.Model(inputs, logits, name="compact")


def _initializer_factory(seed: int) -> Callable[[], keras.initializers.Initializer]:
    """Return a function that returns an initializer with another seed at each call."""
    layer_numbers = itertools.count()
    return lambda: keras.initializers.HeNormal(
        seed=derive_seed(seed, "compact", next(layer_numbers))
    )


def _batch_norm() -> layers.Layer:
    # Keras' default momentum of 0.99 suits long training runs: after a few hundred steps the moving
    # averages still depend mostly on their initial values.
    return layers.BatchNormalization(momentum=0.9)


def _residual_block(x, channels: int, squeeze: int, new_initializer):
    """Apply a pre-activation block of two convolutions and a 1x1 shortcut; halves both sides."""
    activated = layers.ReLU()(_batch_norm()(x))

    def convolution(size: int, stride: int = 1) -> layers.Layer:
        return layers.Conv2D(
            channels,
            size,
            stride,
            padding="same",
            use_bias=False,
            kernel_initializer=new_initializer(),
        )

    y = convolution(3, stride=2)(activated)
    y = layers.ReLU()(_batch_norm()(y))
    y = convolution(3)(y)
    y = _squeeze_and_excite(y, channels, squeeze, new_initializer)
    shortcut = layers.AveragePooling2D(2, padding="same")(activated)
    shortcut = convolution(1)(shortcut)
    return layers.Add()([y, shortcut])


def _squeeze_and_excite(x, channels: int, squeeze: int, new_initializer):
    units = max(4, channels // squeeze)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Dense(units, "relu", kernel_initializer=new_initializer())(gate)
    gate = layers.Dense(channels, "sigmoid", kernel_initializer=new_initializer())(gate)
    return layers.Multiply()([x, gate])


def _steps_with_sound(inputs, frames_per_step: int, step_count: int):
    """Return a float32 mask ``(batch, step_count, 1)``: 0 where all frames of a step are padding.

    A step is a position in time of the last block's output. The mask is 1 for all other steps.
    """
    has_sound = ops.cast(ops.max(inputs, axis=(2, 3)) > _PADDING, "float32")[..., None]
    return ops.max_pool(has_sound, frames_per_step, padding="same")[:, :step_count]


def attentive_statistics(
    x: keras.KerasTensor,
    has_sound: keras.KerasTensor,
    units: int,
    new_initializer: Callable[[], keras.initializers.Initializer],
) -> keras.KerasTensor:
    """Return the mean and standard deviation over time of ``(batch, time, channels)``.

    Each channel has attention weights of its own.

    Args:
        x: ``(batch, time, channels)``.
        has_sound: float32 ``(batch, time, 1)``: 1, or 0 at padding, which gets no attention.
        units: width of the hidden layer of the attention.
        new_initializer: returns an initializer of a kernel at each call.

    Returns:
        float32 ``(batch, 2 * channels)``.

    Source: Okabe et al. (2018), arXiv:1803.10963.
    """
    scores = layers.Dense(units, "tanh", kernel_initializer=new_initializer())(x)
    scores = layers.Dense(x.shape[-1], kernel_initializer=new_initializer(), name="attention")(
        scores
    )
    # If all steps are padding, all get the same offset, as if none were padding.
    scores = ops.cast(scores, "float32") + 1e4 * (has_sound - 1.0)
    attention, x = ops.softmax(scores, axis=1), ops.cast(x, "float32")
    mean = ops.sum(attention * x, axis=1)
    variance = ops.sum(attention * ops.square(x), axis=1) - ops.square(mean)
    # Rounding can make the variance negative, and the gradient of the root is infinite at 0.
    return ops.concatenate([mean, ops.sqrt(ops.maximum(variance, 1e-4))], axis=-1)
