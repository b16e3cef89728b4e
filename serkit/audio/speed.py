"""Faster and slower playing of whole batches, by band-limited interpolation."""

import numpy as np
import tensorflow as tf

# Zeros on either side of a clip, so that what rings over its ends does not come in at the other;
# and its FFT length is a multiple of this, which keeps large primes out of it.
_MARGIN, _BLOCK = 1024, 4096
_OVERSAMPLING = 2


def play(waveforms: tf.Tensor, factors: tf.Tensor) -> tf.Tensor:
    """Play each clip at its own speed: pitch and tempo change together.

    The middle of a clip stays in the middle; a slower clip loses its ends, a faster one gets zeros
    around it. The clip is oversampled by its spectrum, from which goes what would alias, and read
    off between the samples with a cubic B-spline, whose frequency response the spectrum makes up
    for. A tone of up to 0.4 of the rate, before and after, keeps its amplitude, and its images are
    48 dB below it or more: a share of (0.2 / 0.8) ** 4.

    Args:
        waveforms: float32 ``(batch, samples)``.
        factors: float32 ``(batch,)``, above 0; above 1 is faster and higher.

    Returns:
        The same shape; at a factor of exactly 1 the clip itself.

    Source: Unser (1999), Splines: a perfect fit for signal and image processing, IEEE Signal
    Processing Magazine 16(6).
    """
    factor = factors[:, tf.newaxis]
    samples = tf.shape(waveforms)[1]
    middle = tf.cast(samples - 1, tf.float64) / 2.0
    # In double precision: a float32 of the size of a clip's length is coarse between two samples.
    steps = tf.range(tf.cast(samples, tf.float64), dtype=tf.float64) - middle
    position = middle + tf.cast(factor, tf.float64) * steps
    inside = (position >= 0.0) & (position <= 2.0 * middle)
    changed = tf.where(inside, _between(_oversampled(waveforms, factor), position), 0.0)
    return tf.ensure_shape(tf.where(factor == 1.0, waveforms, changed), waveforms.shape)


def _oversampled(waveforms: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """B-spline coefficients of the clips, margins included, without what would alias."""
    samples = tf.shape(waveforms)[1]
    length = -(-(samples + 2 * _MARGIN) // _BLOCK) * _BLOCK
    longer = _OVERSAMPLING * length
    padded = tf.pad(waveforms, [[0, 0], [_MARGIN, length - samples - _MARGIN]])
    spectrum = tf.signal.rfft(padded)
    bins = tf.range(tf.cast(length // 2 + 1, tf.float32))
    # Not 0, for the division; the sine of so small an angle is the angle.
    angle = np.pi * tf.maximum(bins, 1e-3) / tf.cast(longer, tf.float32)
    response = (tf.sin(angle) / angle) ** 4 / _OVERSAMPLING
    kept = bins * tf.maximum(factor, 1.0) < tf.cast(length // 2, tf.float32)
    spectrum *= tf.cast(tf.where(kept, 1.0 / response, 0.0), tf.complex64)
    spectrum = tf.pad(spectrum, [[0, 0], [0, (longer - length) // 2]])
    return tf.signal.irfft(spectrum, [longer])


def _between(coefficients: tf.Tensor, position: tf.Tensor) -> tf.Tensor:
    """The cubic spline at ``position``, float64 ``(batch, any)`` in samples of the clip."""
    place = (position + _MARGIN) * _OVERSAMPLING
    whole = tf.floor(place)
    after = tf.cast(place - whole, tf.float32)
    before = 1.0 - after
    last = tf.shape(coefficients)[1] - 3
    first = tf.clip_by_value(tf.cast(whole, tf.int32), 1, last) - 1
    weights = (
        before**3 / 6.0,
        2.0 / 3.0 - 0.5 * after**2 * (1.0 + before),
        2.0 / 3.0 - 0.5 * before**2 * (1.0 + after),
        after**3 / 6.0,
    )
    taps = [tf.gather(coefficients, first + tap, batch_dims=1) for tap in range(4)]
    return tf.add_n([weight * tap for weight, tap in zip(weights, taps, strict=True)])
