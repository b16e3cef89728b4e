"""Change of sample rate inside the graph, by cutting or extending the spectrum of the clip."""

import tensorflow as tf

_TAIL = 2048


def resample(waveform: tf.Tensor, rate: tf.Tensor, new_rate: int) -> tf.Tensor:
    """Resample one waveform with an ideal low-pass at the lower of the two Nyquist frequencies.

    The whole clip is transformed, its spectrum cut or extended with zeros, and transformed back at
    the new length: no filter to design, no delay. Zeros are put behind the clip so that what rings
    over its ends does not wrap around into it.

    Args:
        waveform: float32 ``(samples,)``.
        rate: int32 scalar, its rate in Hz; may differ from call to call in one graph.
        new_rate: the rate wanted, in Hz.

    Returns:
        float32 ``(ceil(samples * new_rate / rate),)``; the waveform itself if the rates are equal.

    Source: band-limited interpolation by the discrete Fourier transform (Oppenheim & Schafer,
    Discrete-Time Signal Processing, section 4.6); tested against soxr HQ, within 2e-4 of the
    peak on noise up to 0.42 of the lower rate, away from the ends.
    """
    rate = tf.cast(rate, tf.int32)
    return tf.cond(
        tf.equal(rate, new_rate), lambda: waveform, lambda: _by_spectrum(waveform, rate, new_rate)
    )


def _by_spectrum(waveform: tf.Tensor, rate: tf.Tensor, new_rate: int) -> tf.Tensor:
    divisor = _greatest_common_divisor(rate, tf.constant(new_rate))
    old_block, new_block = rate // divisor, new_rate // divisor
    samples = tf.size(waveform)
    blocks = _round_length(-(-(samples + _TAIL) // old_block))
    old_length, new_length = blocks * old_block, blocks * new_block
    spectrum = tf.signal.rfft(tf.pad(waveform, [[0, old_length - samples]]))
    kept = tf.minimum(old_length, new_length) // 2 + 1
    spectrum = tf.pad(spectrum[:kept], [[0, new_length // 2 + 1 - kept]])
    scale = tf.cast(new_length, tf.float32) / tf.cast(old_length, tf.float32)
    wave = tf.signal.irfft(spectrum, [new_length]) * scale
    wanted = -(-tf.cast(samples, tf.int64) * new_rate // tf.cast(rate, tf.int64))
    return wave[: tf.cast(wanted, tf.int32)]


def _greatest_common_divisor(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    larger, _ = tf.while_loop(lambda a, b: b > 0, lambda a, b: (b, a % b), [first, second])
    return larger


def _round_length(blocks: tf.Tensor) -> tf.Tensor:
    """Round up to a number with at most five significant bits: large primes make the FFT slow."""
    bits = tf.cast(
        tf.math.floor(
            tf.math.log(tf.cast(blocks, tf.float64)) / tf.math.log(tf.constant(2.0, tf.float64))
        ),
        tf.int32,
    )
    step = tf.bitwise.left_shift(1, tf.maximum(bits - 4, 0))
    return -(-blocks // step) * step
