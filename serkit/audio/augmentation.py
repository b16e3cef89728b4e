"""Random augmentation of training waveforms: speed, tempo, pitch, time shift, noise, gain.

The random numbers for a clip depend on the seed and on the clip's index in the batch. The same clip
at another index gets other random numbers. Training needs a new seed for every step.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import tensorflow as tf

from serkit.audio.speed import change_pitch, change_speed, change_tempo
from serkit.errors import InputError, check_range

_MAX_DB = 120.0
_MIN_FACTOR, _MAX_FACTOR = 0.5, 2.0
_MAX_SEMITONES = 12.0


@dataclass(frozen=True)
class WaveAugmentation:
    """Augmentations that :func:`augment` applies, and their strengths. All are off by default.

    Attributes:
        speed: lowest and highest speed factor, 0.5 to 2; None is off. See :func:`random_speed`.
        shift: largest shift in time, as a fraction of the clip, 0 (off) to 1. See
            :func:`time_shift`.
        snr_db: lowest and highest signal-to-noise ratio in dB, -120 to 120; None is off. See
            :func:`add_noise`.
        gain_db: lowest and highest gain in dB, -120 to 120; None is off. See :func:`random_gain`.
        stretch: lowest and highest tempo factor, 0.5 to 2, at constant pitch; None is off. See
            :func:`random_stretch`.
        pitch: lowest and highest pitch change in semitones, -12 to 12, at constant tempo; None is
            off. See :func:`random_pitch`.

    Raises:
        InputError: if a value is out of range, if a pair does not have two values, or if its first
            value is above its second.
    """

    speed: tuple[float, float] | None = None
    shift: float = 0.0
    snr_db: tuple[float, float] | None = None
    gain_db: tuple[float, float] | None = None
    stretch: tuple[float, float] | None = None
    pitch: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        check_range("shift", self.shift, 0.0, 1.0)
        _check_pair("speed", self.speed, _MIN_FACTOR, _MAX_FACTOR)
        _check_pair("snr_db", self.snr_db, -_MAX_DB, _MAX_DB)
        _check_pair("gain_db", self.gain_db, -_MAX_DB, _MAX_DB)
        _check_pair("stretch", self.stretch, _MIN_FACTOR, _MAX_FACTOR)
        _check_pair("pitch", self.pitch, -_MAX_SEMITONES, _MAX_SEMITONES)


@tf.autograph.experimental.do_not_convert
def augment(waveforms: tf.Tensor, seed: tf.Tensor, settings: WaveAugmentation) -> tf.Tensor:
    """Apply the enabled augmentations in this order: speed, stretch, pitch, shift, noise, gain.

    Each augmentation derives its own seed. Switching an augmentation on does not change the random
    numbers of the others.

    Args:
        waveforms: float32 ``(batch, samples)``.
        seed: int ``(2,)``; equal seeds give equal results.
        settings: the enabled augmentations and their strengths.

    Returns:
        Waveforms of the same shape; ``waveforms`` itself if no augmentation is enabled.
    """
    seeds = tf.random.split(seed, 4)
    if settings.speed is not None:
        waveforms = random_speed(waveforms, seeds[0], *settings.speed)
    if settings.stretch is not None:
        own_seed = tf.convert_to_tensor(tf.random.fold_in(seed, 1))
        waveforms = random_stretch(waveforms, own_seed, *settings.stretch)
    if settings.pitch is not None:
        own_seed = tf.convert_to_tensor(tf.random.fold_in(seed, 2))
        waveforms = random_pitch(waveforms, own_seed, *settings.pitch)
    if settings.shift:
        waveforms = time_shift(waveforms, seeds[1], settings.shift)
    if settings.snr_db is not None:
        waveforms = add_noise(waveforms, seeds[2], *settings.snr_db)
    if settings.gain_db is not None:
        waveforms = random_gain(waveforms, seeds[3], *settings.gain_db)
    return waveforms


def time_shift(waveforms: tf.Tensor, seed: tf.Tensor, max_fraction: float) -> tf.Tensor:
    """Shift each clip to a later or earlier time by whole samples, without wrapping around.

    Args:
        waveforms: float32 ``(batch, samples)``.
        seed: int ``(2,)``; equal seeds give equal results.
        max_fraction: largest shift to either side as a fraction of ``samples``, 0 to 1. Each clip
            has its own shift, drawn uniformly from ``-largest`` to ``max_fraction``.

    Returns:
        Waveforms of the same shape. Zeros fill the gap. The remaining samples are bit-identical to
        the input.

    Raises:
        InputError: if ``max_fraction`` is out of range.
    """
    check_range("max_fraction", max_fraction, 0.0, 1.0)
    samples = tf.shape(waveforms)[1]
    fraction = _random_per_clip(waveforms, seed, -max_fraction, max_fraction)
    shift = tf.cast(tf.round(fraction * tf.cast(samples, tf.float32)), tf.int32)
    source_index = tf.range(samples)[tf.newaxis] - shift
    is_inside = (source_index >= 0) & (source_index < samples)
    shifted = tf.gather(waveforms, tf.where(is_inside, source_index, 0), batch_dims=1)
    return tf.ensure_shape(tf.where(is_inside, shifted, 0.0), waveforms.shape)


def random_gain(waveforms: tf.Tensor, seed: tf.Tensor, low_db: float, high_db: float) -> tf.Tensor:
    """Multiply each clip by a random gain that is uniform in decibels.

    Args:
        waveforms: float32 ``(batch, samples)``.
        seed: int ``(2,)``; equal seeds give equal results.
        low_db: lowest gain in dB, -120 or more; a gain below 0 dB makes the clip quieter.
        high_db: highest gain in dB, ``low_db`` to 120.

    Returns:
        Waveforms of the same shape. Values are not clipped, so they may exceed 1.

    Raises:
        InputError: if a gain is out of range.
    """
    _check_order("low_db", low_db, "high_db", high_db, -_MAX_DB, _MAX_DB)
    return waveforms * tf.pow(10.0, _random_per_clip(waveforms, seed, low_db, high_db) / 20.0)


def add_noise(waveforms: tf.Tensor, seed: tf.Tensor, low_db: float, high_db: float) -> tf.Tensor:
    """Add white Gaussian noise at a signal-to-noise ratio that is uniform in decibels.

    The ratio is the mean power of the whole clip, zero padding included, divided by the mean power
    of the drawn noise. Each clip therefore has exactly the drawn ratio. A silent clip stays silent.

    Args:
        waveforms: float32 ``(batch, samples)``.
        seed: int ``(2,)``; equal seeds give equal results.
        low_db: lowest ratio in dB, -120 or more.
        high_db: highest ratio in dB, ``low_db`` to 120.

    Returns:
        Waveforms of the same shape. Values may exceed 1.

    Raises:
        InputError: if a ratio is out of range.
    """
    _check_order("low_db", low_db, "high_db", high_db, -_MAX_DB, _MAX_DB)
    seeds = tf.random.split(seed, 2)
    noise = tf.random.stateless_normal(tf.shape(waveforms), seeds[0])
    amplitude_ratio = tf.pow(10.0, _random_per_clip(waveforms, seeds[1], low_db, high_db) / 20.0)
    noise_gain = _root_mean_square(waveforms) / (_root_mean_square(noise) * amplitude_ratio)
    return waveforms + noise_gain * noise


def random_speed(waveforms: tf.Tensor, seed: tf.Tensor, low: float, high: float) -> tf.Tensor:
    """Change the speed of each clip by a random factor; pitch and tempo change together.

    The middle of a clip stays in the middle. A slower clip is cut at both ends, a faster clip is
    padded with zeros at both ends. See :func:`serkit.audio.speed.change_speed`.

    Args:
        waveforms: float32 ``(batch, samples)``.
        seed: int ``(2,)``; equal seeds give equal results.
        low: lowest factor, 0.5 or more; a factor below 1 makes a clip slower and lower in pitch.
        high: highest factor, ``low`` to 2. Each clip has its own factor, drawn uniformly from
            ``low`` to ``high``.

    Returns:
        Waveforms of the same shape. At a factor of exactly 1 the clip is unchanged.

    Raises:
        InputError: if a factor is out of range.

    Source: Ko et al. (2015), Audio augmentation for speech recognition, Interspeech. The authors
    use the factors 0.9, 1 and 1.1.
    """
    _check_order("low", low, "high", high, _MIN_FACTOR, _MAX_FACTOR)
    return change_speed(waveforms, _random_per_clip(waveforms, seed, low, high)[:, 0])


def random_stretch(waveforms: tf.Tensor, seed: tf.Tensor, low: float, high: float) -> tf.Tensor:
    """Change the tempo of each clip by a random factor at constant pitch.

    The middle of a clip stays in the middle. A slower clip is cut at both ends, a faster clip is
    padded with zeros at both ends. See :func:`serkit.audio.speed.change_tempo`.

    Args:
        waveforms: float32 ``(batch, samples)``.
        seed: int ``(2,)``; equal seeds give equal results.
        low: lowest tempo factor, 0.5 or more; a factor below 1 makes a clip slower.
        high: highest tempo factor, ``low`` to 2. Each clip has its own factor, drawn uniformly
            from ``low`` to ``high``.

    Returns:
        Waveforms of the same shape. At a factor of exactly 1 the clip is unchanged.

    Raises:
        InputError: if a factor is out of range.
    """
    _check_order("low", low, "high", high, _MIN_FACTOR, _MAX_FACTOR)
    return change_tempo(waveforms, _random_per_clip(waveforms, seed, low, high)[:, 0])


def random_pitch(waveforms: tf.Tensor, seed: tf.Tensor, low: float, high: float) -> tf.Tensor:
    """Change the pitch of each clip by a random number of semitones at constant tempo.

    See :func:`serkit.audio.speed.change_pitch`.

    Args:
        waveforms: float32 ``(batch, samples)``.
        seed: int ``(2,)``; equal seeds give equal results.
        low: lowest change in semitones, -12 or more; a change below 0 lowers the pitch.
        high: highest change in semitones, ``low`` to 12. Each clip has its own change, drawn
            uniformly from ``low`` to ``high``.

    Returns:
        Waveforms of the same shape. At a change of exactly 0 semitones the clip is unchanged.

    Raises:
        InputError: if a change is out of range.
    """
    _check_order("low", low, "high", high, -_MAX_SEMITONES, _MAX_SEMITONES)
    factors = tf.pow(2.0, _random_per_clip(waveforms, seed, low, high)[:, 0] / 12.0)
    return change_pitch(waveforms, factors, 2.0 ** (high / 12.0))


def _random_per_clip(waveforms: tf.Tensor, seed: tf.Tensor, low: float, high: float) -> tf.Tensor:
    """Draw one uniform random number per clip, float32 ``(batch, 1)``."""
    return tf.random.stateless_uniform(tf.stack([tf.shape(waveforms)[0], 1]), seed, low, high)


def _root_mean_square(waveforms: tf.Tensor) -> tf.Tensor:
    return tf.sqrt(tf.reduce_mean(tf.square(waveforms), axis=1, keepdims=True))


def _check_pair(name: str, pair: Sequence[float] | None, minimum: float, maximum: float) -> None:
    if pair is None:
        return
    if len(pair) != 2:
        raise InputError(f"`{name}` must be a lowest and a highest value. Received: {pair!r}.")
    _check_order(f"{name}[0]", pair[0], f"{name}[1]", pair[1], minimum, maximum)


def _check_order(
    low_name: str, low: float, high_name: str, high: float, minimum: float, maximum: float
) -> None:
    check_range(low_name, low, minimum, maximum)
    check_range(high_name, high, low, maximum)
