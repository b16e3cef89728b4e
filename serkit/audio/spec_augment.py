"""SpecAugment: random masks in time and frequency, and a random time shift."""

from dataclasses import dataclass

import tensorflow as tf

from serkit.errors import check_range


@dataclass(frozen=True)
class MaskSettings:
    """Strength of SpecAugment. All values are fractions of the axis.

    Attributes:
        time: longest mask along time, 0 to 1.
        frequency: longest mask along frequency, 0 to 1.
        shift: largest shift in time to either side, 0 to 1. The shift wraps around: frames that
            leave at one end come in at the other end. In most recordings both ends are silent.

    Raises:
        InputError: if a value is out of range.
    """

    time: float = 0.1
    frequency: float = 0.1
    shift: float = 0.08

    def __post_init__(self) -> None:
        for name in ("time", "frequency", "shift"):
            check_range(name, getattr(self, name), 0.0, 1.0)


@tf.autograph.experimental.do_not_convert
def mask(spectrograms: tf.Tensor, seed: tf.Tensor, settings: MaskSettings) -> tf.Tensor:
    """Shift each spectrogram in time, then apply one time mask and one frequency mask.

    Args:
        spectrograms: float32 ``(batch, frames, bins, 1)`` in [-1, 1].
        seed: int ``(2,)``; equal seeds give equal results.
        settings: sizes of the masks and of the shift.

    Returns:
        Spectrograms of the same shape. Masked values are -1, the value of silence.

    Source: Park et al. (2019), SpecAugment, arXiv:1904.08779 (without its time warping).
    """
    shape = tf.shape(spectrograms)
    seeds = tf.random.split(seed, 3)
    keep_frames = random_keep_mask(shape[0], shape[1], settings.time, seeds[0])
    keep_bins = random_keep_mask(shape[0], shape[2], settings.frequency, seeds[1])
    keep = keep_frames[:, :, tf.newaxis, tf.newaxis] & keep_bins[:, tf.newaxis, :, tf.newaxis]
    shifted = _shift(spectrograms, settings.shift, seeds[2])
    return tf.where(keep, shifted, -1.0)


def random_keep_mask(
    batch: tf.Tensor, size: tf.Tensor, longest: float, seed: tf.Tensor
) -> tf.Tensor:
    """Draw a boolean mask per row that is false inside one random interval and true elsewhere.

    Args:
        batch: number of rows.
        size: length of a row.
        longest: greatest length of the interval, as a fraction of the row, 0 to 1.
        seed: int ``(2,)``; equal seeds give equal results.

    Returns:
        Boolean ``(batch, size)``.
    """
    random_numbers = tf.random.stateless_uniform(tf.stack([2, batch, 1]), seed)
    float_size = tf.cast(size, tf.float32)
    length = random_numbers[0] * longest * float_size
    start = random_numbers[1] * (float_size - length)
    position = tf.range(float_size)[tf.newaxis]
    return (position < start) | (position >= start + length)


def _shift(spectrograms: tf.Tensor, largest: float, seed: tf.Tensor) -> tf.Tensor:
    shape = tf.shape(spectrograms)
    frames = tf.cast(shape[1], tf.float32)
    shift = tf.random.stateless_uniform(tf.stack([shape[0], 1]), seed, -largest, largest) * frames
    source_index = (tf.range(shape[1])[tf.newaxis] + tf.cast(tf.round(shift), tf.int32)) % shape[1]
    return tf.gather(spectrograms, source_index, batch_dims=1)
