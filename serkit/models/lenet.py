"""LeNet-5, the smaller of the two Bayesian networks of the 2021 report."""

from dataclasses import dataclass

import keras
from keras import layers

from serkit.errors import InputError, check_choice, check_range
from serkit.seeds import derive_seed

_ACTIVATIONS = ("relu", "tanh")


@dataclass(frozen=True)
class LeNet5Settings:
    """Architecture of LeNet-5; the defaults are the original's except for the activation.

    Attributes:
        pool: size of an average pooling of the input, in frames and bins; the original's inputs
            were 32 x 32 images.
        channels: number of channels of each of the two convolutions.
        units: number of units of each of the two fully connected layers before the last.
        activation: ``relu``, or ``tanh`` as in the original.
        dropout: dropout rate after each fully connected layer except the last, 0 to 0.95; the
            original has none.

    Raises:
        InputError: if a value is out of range.
    """

    pool: tuple[int, int] = (1, 1)
    channels: tuple[int, int] = (6, 16)
    units: tuple[int, int] = (120, 84)
    activation: str = "relu"
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check_choice("activation", self.activation, _ACTIVATIONS)
        check_range("dropout", self.dropout, 0.0, 0.95)
        for name in ("pool", "channels", "units"):
            value = getattr(self, name)
            if len(value) != 2 or min(value) < 1:
                raise InputError(f"`{name}` must be two positive numbers. Received: {value!r}.")


def lenet5(
    classes: int,
    shape: tuple[int, int, int],
    settings: LeNet5Settings | None = None,
    seed: int = 0,
) -> keras.Model:
    """Build LeNet-5: two convolutions, each with max pooling, and three fully connected layers.

    The original differs in two points. Its pooling takes the mean, times a trained factor, plus a
    trained offset. Its second convolution is connected to some of the channels only.

    Args:
        classes: number of classes, at least 2.
        shape: ``(frames, bins, 1)`` of the spectrograms, each side at least 16 after pooling.
        settings: architecture of the network.
        seed: seed of initial weights and dropout.

    Returns:
        A model from float32 ``(batch, frames, bins, 1)`` in [-1, 1] to logits ``(batch, classes)``.

    Raises:
        InputError: if ``classes`` is below 2, or the spectrograms are too small.

    Example:
        >>> import numpy as np
        >>> import serkit
        >>> model = serkit.lenet5(4, (32, 32, 1))
        >>> model(np.zeros((2, 32, 32, 1), "float32")).shape
        TensorShape([2, 4])

    Source: 2021 report, section 8.2.1; LeCun et al. (1998), section II.B.
    """
    check_range("classes", classes, 2)
    settings = settings or LeNet5Settings()
    if min(shape[0] // settings.pool[0], shape[1] // settings.pool[1]) < 16:
        raise InputError(
            "`shape` must have 16 or more frames and bins after pooling. "
            f"Received: {shape!r} with pool={settings.pool!r}."
        )
    inputs = keras.Input(shape, name="spectrogram")
    x = layers.AveragePooling2D(settings.pool)(inputs) if settings.pool != (1, 1) else inputs
    activation = settings.activation
    for number, channels in enumerate(settings.channels, 1):
        initializer = _initializer(seed, "convolution", number)
        x = layers.Conv2D(
            channels, 5, activation=activation, kernel_initializer=initializer, name=f"conv{number}"
        )(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    for number, units in enumerate(settings.units, 1):
        initializer = _initializer(seed, "dense", number)
        x = layers.Dense(
            units, activation=activation, kernel_initializer=initializer, name=f"fc{number}"
        )(x)
        if settings.dropout:
            dropout_seed = derive_seed(seed, "lenet5", "dropout", number)
            x = layers.Dropout(settings.dropout, seed=dropout_seed)(x)
    initializer = _initializer(seed, "logits", 0)
    logits = layers.Dense(classes, kernel_initializer=initializer, dtype="float32", name="logits")(
        x
    )
    return keras.Model(inputs, logits, name="lenet5")


def _initializer(seed: int, kind: str, number: int) -> keras.initializers.Initializer:
    return keras.initializers.GlorotUniform(derive_seed(seed, "lenet5", kind, number))
