"""A small residual network that trains in minutes on two cores."""

from dataclasses import dataclass

import keras
from keras import layers, ops

from serkit.errors import InputError, check_range
from serkit.seeds import derive_seed


@dataclass(frozen=True)
class CompactSettings:
    """Shape of the compact network.

    Attributes:
        pool: frames and bins that are averaged into one before anything else.
        channels: of the stem and of each residual block; every block halves both sides.
        dropout: before the last layer, 0 to 1.
    """

    pool: tuple[int, int] = (2, 4)
    channels: tuple[int, ...] = (24, 32, 64, 128)
    dropout: float = 0.3

    def __post_init__(self) -> None:
        check_range("dropout", self.dropout, 0.0, 0.95)
        if len(self.pool) != 2 or min(self.pool) < 1:
            raise InputError(f"pool={self.pool!r}; valid are two positive numbers")
        if len(self.channels) < 2 or min(self.channels) < 1:
            raise InputError(f"channels={self.channels!r}; valid are two or more positive numbers")


def compact(
    classes: int,
    shape: tuple[int, int, int],
    settings: CompactSettings | None = None,
    seed: int = 0,
) -> keras.Model:
    """Residual blocks, the mean over frequency, and attention over time.

    About 0.3 million parameters and 70 million multiplications a clip with the default settings.

    Args:
        classes: number of classes, at least 2.
        shape: ``(frames, bins, 1)`` of the spectrograms, each side at least 8 after pooling.
        settings: shape of the network.
        seed: of weights and dropout.

    Returns:
        A model from float32 ``(batch, frames, bins, 1)`` in [-1, 1] to logits ``(batch, classes)``.

    Raises:
        InputError: if ``classes`` is below 2.

    Source: He et al. (2016), identity mappings, arXiv:1603.05027; attention pooling as in
    Mirsamadi et al. (2017), ICASSP.
    """
    check_range("classes", classes, 2)
    settings = settings or CompactSettings()
    count = iter(range(10_000))

    def weights() -> keras.initializers.Initializer:
        return keras.initializers.HeNormal(seed=derive_seed(seed, "compact", next(count)))

    stem, *blocks = settings.channels
    inputs = keras.Input(shape, name="spectrogram")
    x = layers.AveragePooling2D(settings.pool)(inputs)
    x = layers.Conv2D(stem, 3, padding="same", use_bias=False, kernel_initializer=weights())(x)
    for channels in blocks:
        x = _residual(x, channels, weights)
    x = layers.ReLU()(_norm()(x))
    x = _attention_pool(ops.mean(x, axis=2), weights)
    x = layers.Dropout(settings.dropout, seed=derive_seed(seed, "compact", "dropout"))(x)
    logits = layers.Dense(classes, kernel_initializer=weights(), dtype="float32", name="logits")(x)
    return keras.Model(inputs, logits, name="compact")


def _norm() -> layers.Layer:
    # Keras' momentum of 0.99 is for long trainings: after a few hundred steps its averages are
    # still mostly their initial values.
    return layers.BatchNormalization(momentum=0.9)


def _residual(x, channels: int, weights):
    """Two convolutions after batch norm and ReLU, halving both sides, beside a 1x1 short cut."""
    normed = layers.ReLU()(_norm()(x))
    convolution = {"padding": "same", "use_bias": False}
    y = layers.Conv2D(channels, 3, 2, **convolution, kernel_initializer=weights())(normed)
    y = layers.ReLU()(_norm()(y))
    y = layers.Conv2D(channels, 3, **convolution, kernel_initializer=weights())(y)
    short = layers.AveragePooling2D(2, padding="same")(normed)
    short = layers.Conv2D(channels, 1, **convolution, kernel_initializer=weights())(short)
    return layers.Add()([y, short])


def _attention_pool(x, weights):
    """Mean over time ``(batch, time, channels)``, weighted by a learned score of each step."""
    score = layers.Dense(1, kernel_initializer=weights(), name="attention")(x)
    return ops.sum(ops.softmax(score, axis=1) * x, axis=1)
