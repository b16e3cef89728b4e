"""GANs on few clips: differentiable augmentation, averaged weights, frozen layers."""

from dataclasses import dataclass

import keras
import tensorflow as tf
from keras import layers

from serkit.audio.spec_augment import outside_an_interval
from serkit.errors import InputError, check_range


@dataclass(frozen=True)
class DiffAugmentSettings:
    """How strongly examples are changed before the network that judges them; 0 leaves a part out.

    There are no flips: speech does not run backwards, nor do formants stand on their head.

    Attributes:
        time_shift: largest shift to either side, as a share of the frames, 0 to 1.
        frequency_shift: largest shift up or down, as a share of the bins, 0 to 1; small, since it
            moves pitch and formants.
        time_mask: longest stretch of frames that is taken out, as a share, 0 to 1.
        frequency_mask: widest band that is taken out, as a share of the bins, 0 to 1.
        gain: largest offset of the whole spectrogram to either side, 0 to 2; 1 is half the range.

    Raises:
        InputError: for a value out of range.
    """

    time_shift: float = 0.125
    frequency_shift: float = 0.03
    time_mask: float = 0.25
    frequency_mask: float = 0.25
    gain: float = 0.1

    def __post_init__(self) -> None:
        for name in ("time_shift", "frequency_shift", "time_mask", "frequency_mask"):
            check_range(name, getattr(self, name), 0.0, 1.0)
        check_range("gain", self.gain, 0.0, 2.0)


def diff_augment(
    spectrograms: tf.Tensor, seed: tf.Tensor, settings: DiffAugmentSettings
) -> tf.Tensor:
    """Shift each spectrogram in time and frequency, offset its level, mask a stretch and a band.

    A generator is taught through it: the result is linear in ``spectrograms`` and nothing is cut
    off at the ends of the range, so a gradient reaches all that is still in the spectrogram.

    Args:
        spectrograms: float32 ``(batch, frames, bins, 1)`` in [-1, 1].
        seed: int ``(2,)``; equal seeds give equal results.
        settings: how strongly.

    Returns:
        The same shape, in [-1 - gain, 1 + gain]. What comes in from outside, and what is masked,
        is -1, the value of silence.

    Source: Zhao et al. (2020), DiffAugment, arXiv:2006.10738 (translation, cutout, brightness);
    the masks are SpecAugment's, Park et al. (2019), arXiv:1904.08779.
    """
    batch, frames, bins, _ = tf.unstack(tf.shape(spectrograms))
    seeds = tf.random.experimental.stateless_split(seed, 5)
    # Above silence, so that zeros are silence.
    x = tf.squeeze(tf.cast(spectrograms, tf.float32), -1) + 1.0
    if settings.time_shift:
        x = tf.matmul(_shifts(batch, frames, settings.time_shift, seeds[0]), x)
    if settings.frequency_shift:
        shifts = _shifts(batch, bins, settings.frequency_shift, seeds[1])
        x = tf.matmul(x, shifts, transpose_b=True)
    if settings.gain:
        x += tf.random.stateless_uniform([batch, 1, 1], seeds[2], -settings.gain, settings.gain)
    if settings.time_mask:
        keep = outside_an_interval(batch, frames, settings.time_mask, seeds[3])
        x *= tf.cast(keep, tf.float32)[:, :, tf.newaxis]
    if settings.frequency_mask:
        keep = outside_an_interval(batch, bins, settings.frequency_mask, seeds[4])
        x *= tf.cast(keep, tf.float32)[:, tf.newaxis]
    return (x - 1.0)[..., tf.newaxis]


def _shifts(batch: tf.Tensor, size: tf.Tensor, largest: float, seed: tf.Tensor) -> tf.Tensor:
    """Matrices ``(batch, size, size)``, each of which moves what it is multiplied with.

    As products, shifts have cheap gradients; those of a gather are scattered one by one.
    """
    extent = tf.cast(size, tf.float32)
    by = tf.round(tf.random.stateless_uniform([batch, 1], seed, -largest, largest) * extent)
    source = tf.range(size)[tf.newaxis] - tf.cast(by, tf.int32)
    # Rows of zeros where the source lies outside.
    return tf.one_hot(source, size)


class Averaged:
    """A copy of a network that follows it slowly: steps of a GAN go back and forth, means do not.

    Batch norm's moving statistics are averaged like weights.

    Args:
        source: a functional model.
        decay: share of the old average that stays at each update, 0 to below 1. After ``t``
            updates it is at most ``(1 + t) / (10 + t)``, so that the average does not hold on to
            the initial weights.

    Attributes:
        network: the average, a model like ``source``.

    Source: Yazici et al. (2019), arXiv:1806.04498; the warm-up as in
    ``tf.train.ExponentialMovingAverage``.
    """

    def __init__(self, source: keras.Model, decay: float) -> None:
        self.network = keras.models.clone_model(source)
        self._pairs = list(zip(self.network.variables, source.variables, strict=True))
        self._decay = decay
        for average, value in self._pairs:
            average.assign(value)

    def update(self, step: tf.Tensor) -> None:
        """Move the average towards the network as it is after ``step`` updates, 1 or more."""
        step = tf.cast(step, tf.float32)
        decay = tf.minimum(self._decay, (1.0 + step) / (10.0 + step))
        for average, value in self._pairs:
            average.assign(value + decay * (average - value))


def tune_norms_alone(network: keras.Model) -> None:
    """Leave only the scales and offsets of batch normalisation to be trained.

    A generator that has seen many clips and goes on with a dozen learns these by heart if it may
    change everything. Its norms alone can shift what it makes, and not draw anew.

    Args:
        network: whose layers are frozen but for its norms; its optimizer may stay as it is.

    Raises:
        InputError: if there is no batch normalisation in it.

    Source: Noguchi & Harada (2019), Image Generation From Small Datasets via Batch Statistics
    Adaptation, arXiv:1904.01774.
    """
    if not any(isinstance(layer, layers.BatchNormalization) for layer in network.layers):
        raise InputError(f"{network.name} has no batch normalisation; valid is a network with some")
    for layer in network.layers:
        layer.trainable = isinstance(layer, layers.BatchNormalization)
