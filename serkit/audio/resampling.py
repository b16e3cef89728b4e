"""Change of sample rate inside the graph: a filter for simple ratios, the spectrum for the rest."""

import math

import numpy as np
import tensorflow as tf

# A ratio of the rates is simple if neither term is above this, in lowest terms.
_SIMPLE = 16

# The filter of simple ratios. Times in samples and frequencies in cycles per sample, both at the
# lower rate; beta and the cut-off give 0.07 dB at 0.45 and 85 dB from 0.5 on.
_FILTER_REACH = 48
_CUT_OFF = 0.4715
_BETA = 8.5

# The spectra of other ratios: how far the filter rings and what a transform covers at least, both
# in samples at the lower rate. The FFT takes frames four or eight at a time; one left over costs
# nearly as much as four.
_SPECTRUM_REACH = 64
_SPECTRUM = 1024
_TOGETHER = 4
_PASS, _STOP = 0.45, 0.5


def resample(waveform: tf.Tensor, rate: tf.Tensor, new_rate: int) -> tf.Tensor:
    """Resample one waveform with a linear-phase low-pass below the lower Nyquist frequency.

    Up to 0.45 of the lower rate tones pass within 0.1 dB; aliases, images and all that lay above
    0.5 of it are at least 80 dB down; the gain falls in between. There is no delay, and the
    waveform counts as zero outside its ends.

    Args:
        waveform: float32 ``(samples,)``.
        rate: int32 scalar, its rate in Hz, at least 1; may differ from call to call in one graph.
        new_rate: the rate wanted, in Hz.

    Returns:
        float32 ``(ceil(samples * new_rate / rate),)``; the waveform itself if the rates are equal.

    Source: polyphase filters with Kaiser's window (Crochiere & Rabiner, Multirate Digital Signal
    Processing, 1983, chapters 3 and 4); fast convolution in blocks and band-limited interpolation
    by the discrete Fourier transform (Oppenheim & Schafer, Discrete-Time Signal Processing,
    sections 8.7 and 4.6). Tested against soxr HQ.
    """
    rate = tf.cast(rate, tf.int32)
    return tf.cond(
        tf.equal(rate, new_rate), lambda: waveform, lambda: _change(waveform, rate, new_rate)
    )


def _change(waveform: tf.Tensor, rate: tf.Tensor, new_rate: int) -> tf.Tensor:
    old_block, new_block = _in_lowest_terms(rate, new_rate)
    wanted = -(-tf.cast(tf.size(waveform), tf.int64) * new_rate // tf.cast(rate, tf.int64))
    changed = tf.cond(
        tf.maximum(old_block, new_block) <= _SIMPLE,
        lambda: _by_filter(waveform, old_block, new_block),
        lambda: _by_spectrum(waveform, old_block, new_block),
    )
    return changed[: tf.cast(wanted, tf.int32)]


def _in_lowest_terms(rate: tf.Tensor, new_rate: int) -> tuple[tf.Tensor, tf.Tensor]:
    """As many samples at the old rate last as long as so many at the new one."""
    candidates = np.arange(1, new_rate + 1, dtype=np.int32)
    divisors = candidates[new_rate % candidates == 0]
    divisor = tf.reduce_max(tf.where(rate % divisors == 0, divisors, 1))
    return rate // divisor, new_rate // divisor


def _by_filter(waveform: tf.Tensor, old_block: tf.Tensor, new_block: tf.Tensor) -> tf.Tensor:
    """A convolution over blocks of samples as channels; each channel out is a phase."""
    lower = tf.minimum(old_block, new_block)
    group = -(-_SIMPLE // lower)
    old, new = group * old_block, group * new_block
    reach = -(-_FILTER_REACH * old_block // lower)
    rows = -(-(2 * reach + old) // old)
    kernel = tf.reshape(_kernel(rows * old, new, reach, old_block, new_block), [rows, old, new])
    blocks = -(-tf.size(waveform) // old)
    behind = (blocks + rows - 1) * old - tf.size(waveform) - reach
    signal = tf.reshape(tf.pad(waveform, [[reach, behind]]), [1, -1, old])
    with tf.device("CPU"):  # a GPU's TF32 would lift the stop-band
        return tf.reshape(tf.nn.conv1d(signal, kernel, 1, "VALID"), [-1])


def _kernel(
    old: tf.Tensor, new: tf.Tensor, reach: tf.Tensor, old_block: tf.Tensor, new_block: tf.Tensor
) -> tf.Tensor:
    """float32 ``(old, new)``: the share of each sample, from ``reach`` before, in each new one."""
    # No division by a constant, here and in `_gains`: a graph makes it a product, rounding anew.
    distance = (tf.range(old) - reach)[:, None] * new_block - tf.range(new) * old_block
    time = tf.cast(distance, tf.float32) / tf.cast(tf.maximum(old_block, new_block), tf.float32)
    angle = 2 * math.pi * _CUT_OFF * time
    sinc = tf.where(tf.equal(distance, 0), 1.0, tf.math.divide_no_nan(tf.sin(angle), angle))
    inside = 1 - tf.square(time * (1 / _FILTER_REACH))
    window = tf.math.bessel_i0(_BETA * tf.sqrt(tf.maximum(inside, 0)))
    kernel = tf.where(inside >= 0, sinc * window, 0.0)
    return kernel / tf.reduce_sum(kernel, axis=0)


def _by_spectrum(waveform: tf.Tensor, old_block: tf.Tensor, new_block: tf.Tensor) -> tf.Tensor:
    """Spectra of blocks, cut or extended with zeros, and transformed back at the new length.

    A block is a whole number of periods of the ratio. Behind it in its frame stand the samples of
    its neighbours, as far as the filter reaches: first of the next, then of the one before, for
    the transform is circular.
    """
    samples = tf.size(waveform)
    lower = tf.minimum(old_block, new_block)
    spare = -(-2 * _SPECTRUM_REACH // lower)
    reach = spare * old_block // 2
    powers = 2 ** np.arange(1, 11, dtype=np.int32)
    periods = tf.reduce_min(tf.where(powers * lower >= _SPECTRUM, powers, powers[-1]))
    hop = (periods - spare) * old_block
    blocks = tf.maximum(-(-samples // (hop * _TOGETHER)), 1) * _TOGETHER
    rows = tf.reshape(tf.pad(waveform, [[0, blocks * hop - samples]]), [blocks, hop])
    after = tf.pad(rows[1:, : spare * old_block - reach], [[0, 1], [0, 0]])
    before = tf.pad(rows[:-1, hop - reach :], [[1, 0], [0, 0]])
    spectra = tf.signal.rfft(tf.concat([rows, after, before], axis=1))
    passed = spectra[:, : periods * lower // 2 + 1] * _gains(periods, old_block, new_block)
    length = periods * new_block
    passed = tf.pad(passed, [[0, 0], [0, length // 2 + 1 - tf.shape(passed)[1]]])
    frames = tf.signal.irfft(passed, [length])
    return tf.reshape(frames[:, : (periods - spare) * new_block], [-1])


def _gains(periods: tf.Tensor, old_block: tf.Tensor, new_block: tf.Tensor) -> tf.Tensor:
    """complex64 gain by frequency; falls like the integral of Blackman's window: rings little."""
    lower = periods * tf.minimum(old_block, new_block)
    frequency = tf.cast(tf.range(lower // 2 + 1), tf.float32) / tf.cast(lower, tf.float32)
    way = tf.clip_by_value(frequency - _PASS, 0, _STOP - _PASS)
    angle = way * (2 * math.pi / (_STOP - _PASS))
    fall = angle - tf.sin(angle) * (0.5 / 0.42) + tf.sin(2 * angle) * (0.04 / 0.42)
    scale = tf.cast(new_block, tf.float32) / tf.cast(old_block, tf.float32)
    return tf.cast((1 - fall * (1 / (2 * math.pi))) * scale, tf.complex64)
