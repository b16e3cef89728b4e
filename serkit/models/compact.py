"""A small residual network that trains in minutes on two cores."""

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
        stride: of the stem (the first convolution), in frames and bins.
        channels: of the stem and of each residual block; every block halves both sides.
        squeeze: channels per hidden unit of a block's squeeze-and-excitation.
        attention: hidden units of the attention over time.
        dropout: rate before the last layer, 0 to 0.95.
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
        seed: of initial weights and dropout.

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
    weights = _weights(seed)
    stem, *blocks = settings.channels
    with dtype_policy_scope(settings.precision):
        inputs = keras.Input(shape, name="spectrogram")
        x = layers.AveragePooling2D(settings.pool)(inputs)
        x = layers.Conv2D(
            stem,
            3,
            strides=settings.stride,
            padding="same",
            use_bias=False,
            kernel_initializer=weights(),
        )(x)
        for channels in blocks:
            x = _residual(x, channels, settings.squeeze, weights)
        x = layers.ReLU()(_norm()(x))
        frames = settings.pool[0] * settings.stride[0] * 2 ** len(blocks)
        heard = _heard(inputs, frames, x.shape[1])
        x = _attentive_statistics(ops.mean(x, axis=2), heard, settings.attention, weights)
        x = layers.Dropout(settings.dropout, seed=derive_seed(seed, "compact", "dropout"))(x)
        last = layers.Dense(classes, kernel_initializer=weights(), dtype="float32", name="logits")
        return keras.Model(inputs, last(x), name="compact")


def _weights(seed: int) -> Callable[[], keras.initializers.Initializer]:
    count = iter(range(10_000))
    return lambda: keras.initializers.HeNormal(seed=derive_seed(seed, "compact", next(count)))


def _norm() -> layers.Layer:
    # Keras' default momentum of 0.99 suits long training runs: after a few hundred steps the moving
    # averages are still mostly their initial values.
    return layers.BatchNormalization(momentum=0.9)


def _residual(x, channels: int, squeeze: int, weights):
    """Pre-activation block of two convolutions and a 1x1 shortcut; halves both sides."""
    normed = layers.ReLU()(_norm()(x))
    convolution = {"padding": "same", "use_bias": False}
    y = layers.Conv2D(channels, 3, 2, **convolution, kernel_initializer=weights())(normed)
    y = layers.ReLU()(_norm()(y))
    y = layers.Conv2D(channels, 3, **convolution, kernel_initializer=weights())(y)
    y = _squeeze_and_excite(y, channels, squeeze, weights)
    short = layers.AveragePooling2D(2, padding="same")(normed)
    short = layers.Conv2D(channels, 1, **convolution, kernel_initializer=weights())(short)
    return layers.Add()([y, short])


def _squeeze_and_excite(x, channels: int, squeeze: int, weights):
    units = max(4, channels // squeeze)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Dense(units, "relu", kernel_initializer=weights())(gate)
    gate = layers.Dense(channels, "sigmoid", kernel_initializer=weights())(gate)
    return layers.Multiply()([x, gate])


def _heard(inputs, frames: int, steps: int):
    """Mask, float32 ``(batch, steps, 1)``: 1 where any frame of a step is not padding, else 0."""
    heard = ops.cast(ops.max(inputs, axis=(2, 3)) > _PADDING, "float32")[..., None]
    return ops.max_pool(heard, frames, padding="same")[:, :steps]


def _attentive_statistics(x, heard, units: int, weights):
    """Mean and standard deviation over time of ``(batch, time, channels)``.

    Each channel has attention weights of its own.
    """
    score = layers.Dense(units, "tanh", kernel_initializer=weights())(x)
    score = layers.Dense(x.shape[-1], kernel_initializer=weights(), name="attention")(score)
    # If all steps are padding, all get the same offset, as if none were padding.
    score = ops.cast(score, "float32") + 1e4 * (heard - 1.0)
    fraction, x = ops.softmax(score, axis=1), ops.cast(x, "float32")
    mean = ops.sum(fraction * x, axis=1)
    variance = ops.sum(fraction * ops.square(x), axis=1) - ops.square(mean)
    # Rounding can make the variance negative, and the gradient of the root is infinite at 0.
    return ops.concatenate([mean, ops.sqrt(ops.maximum(variance, 1e-4))], axis=-1)
