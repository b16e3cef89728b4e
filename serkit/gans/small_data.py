"""GANs on few clips: differentiable augmentation, averaged weights, frozen layers."""

from dataclasses import dataclass

import keras
import tensorflow as tf
from keras import layers

from serkit.audio.spec_augment import random_keep_mask
from serkit.errors import InputError, check_range


@dataclass(frozen=True)
class DiffAugmentSettings:
    """Strengths of the augmentations of the discriminator's inputs; 0 switches one off.

    There are no flips, because a flip in time gives reversed speech and a flip in frequency gives
    an unnatural order of formants.

    Attributes:
        time_shift: largest shift to either side, as a fraction of the frames, 0 to 1.
        frequency_shift: largest shift up or down, as a fraction of the bins, 0 to 1. The default is
            small, since this shift moves pitch and formants.
        time_mask: largest number of masked frames, as a fraction of the frames, 0 to 1.
        frequency_mask: largest number of masked bins, as a fraction of the bins, 0 to 1.
        gain: largest offset of the whole spectrogram to either side, 0 to 2; 1 is half the range.

    Raises:
        InputError: if a value is out of range.
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
    """Shift each spectrogram in time and frequency, offset its level, and mask frames and bins.

    The generator's gradient passes through this function. The result is linear in ``spectrograms``
    and is not clipped to [-1, 1]. So the gradient reaches every value that remains in the
    spectrogram.

    Args:
        spectrograms: float32 ``(batch, frames, bins, 1)`` in [-1, 1].
        seed: int ``(2,)``; equal seeds give equal results.
        settings: strength of each augmentation.

    Returns:
        The same shape, in [-1 - gain, 1 + gain]. Masked values are -1, the value of silence. Values
        shifted in from outside are -1 plus the gain's offset.

    Source: Zhao et al. (2020), DiffAugment, arXiv:2006.10738 (translation, cutout, brightness); the
    masks are SpecAugment's, Park et al. (2019), arXiv:1904.08779.
    """
    batch, frames, bins, _ = tf.unstack(tf.shape(spectrograms))
    seeds = tf.random.split(seed, 5)
    # Add 1, so that 0 is silence.
    x = tf.squeeze(tf.cast(spectrograms, tf.float32), -1) + 1.0
    if settings.time_shift:
        matrices = _shift_matrices(batch, frames, settings.time_shift, seeds[0])
        x = tf.matmul(matrices, x)
    if settings.frequency_shift:
        matrices = _shift_matrices(batch, bins, settings.frequency_shift, seeds[1])
        x = tf.matmul(x, matrices, transpose_b=True)
    if settings.gain:
        x += tf.random.stateless_uniform(
            tf.stack([batch, 1, 1]), seeds[2], -settings.gain, settings.gain
        )
    if settings.time_mask:
        is_kept = random_keep_mask(batch, frames, settings.time_mask, seeds[3])
        x *= tf.cast(is_kept, tf.float32)[:, :, tf.newaxis]
    if settings.frequency_mask:
        is_kept = random_keep_mask(batch, bins, settings.frequency_mask, seeds[4])
        x *= tf.cast(is_kept, tf.float32)[:, tf.newaxis]
    return tf.expand_dims(x - 1.0, -1)


def _shift_matrices(
    batch: tf.Tensor, size: tf.Tensor, max_fraction: float, seed: tf.Tensor
) -> tf.Tensor:
    """Return matrices ``(batch, size, size)`` that shift a tensor by matrix multiplication.

    The gradient of a matrix product is cheap. The gradient of a gather is a scatter of single
    values.
    """
    shape = tf.stack([batch, 1])
    fractions = tf.random.stateless_uniform(shape, seed, -max_fraction, max_fraction)
    shifts = tf.round(fractions * tf.cast(size, tf.float32))
    source_indices = tf.range(size)[tf.newaxis] - tf.cast(shifts, tf.int32)
    # tf.one_hot gives a row of zeros where the source index is out of range.
    return tf.one_hot(source_indices, size)


def update_average(
    average: keras.Model, source: keras.Model, decay: float, step: tf.Tensor | int
) -> None:
    """Move a network's weights towards those of another: an exponential moving average.

    The weights of a GAN oscillate from step to step; their average does not. The moving statistics
    of batch normalisation are averaged like weights.

    Args:
        average: copy of ``source``, whose weights are the average.
        source: network that is trained.
        decay: fraction of the old average that is kept, 0 to below 1. In step ``step`` the fraction
            is at most ``(1 + step) / (10 + step)``, so that the initial weights soon lose their
            influence.
        step: number of steps so far, 1 or more.

    Source: Yazici et al. (2019), arXiv:1806.04498; the warm-up as in
    ``tf.train.ExponentialMovingAverage``.
    """
    step = tf.cast(step, tf.float32)
    decay_in_step = tf.minimum(decay, (1.0 + step) / (10.0 + step))
    for mean, value in zip(average.variables, source.variables, strict=True):
        mean.assign(value + decay_in_step * (mean - value))


def tune_norms_alone(network: keras.Model) -> None:
    """Make only the scales and offsets of batch normalisation trainable.

    If all weights of a pretrained generator are trainable, it memorises a dozen new clips. If only
    the batch normalisation is trained, the generator adapts to the new clips, but cannot learn them
    in detail.

    Args:
        network: network whose other layers are frozen; its optimizer need not change.

    Raises:
        InputError: if the network has no batch normalisation.

    Source: Noguchi & Harada (2019), Image Generation From Small Datasets via Batch Statistics
    Adaptation, arXiv:1904.01774.
    """
    if not any(isinstance(layer, layers.BatchNormalization) for layer in network.layers):
        raise InputError(f"`network` must have batch normalisation. Received: {network.name}.")
    for layer in network.layers:
        layer.trainable = isinstance(layer, layers.BatchNormalization)
