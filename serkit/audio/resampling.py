"""Change the sample rate inside a TensorFlow graph."""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from serkit.audio.decoding import rare

# Upper edge of the pass-band and lower edge of the stop-band, as fractions of the lower rate.
_PASS, _STOP = 0.45, 0.5

# Ratios of the old rate to the new rate that use a polyphase filter. The most frequent ratio is
# 48 to 16 kHz; the simple ratios cover most other cases. With more than two phases, the images of
# an equal-ripple filter would add up to more than -80 dB.
_FREQUENT = (3, 1)
_SIMPLE = ((1, 2), (3, 2), (5, 2), (2, 1), (4, 1), (5, 1), (6, 1))
# Half length of these filters, in samples at the lower rate. The ripple is 0.0004 dB below 0.41 of
# the lower rate, where tones must not ring after their ends. The price is a ripple of 0.07 dB from
# there to 0.45. The stop-band from 0.5 on is at -87 dB, or at -81 dB with two phases.
_FILTER_REACH = 40
_EDGES = (0, 0.41, 0.42, _PASS, _STOP)
_WEIGHTS = (400, 1, 200)
# Least number of channels of the convolution, so that it fills a vector register of the CPU.
_TOGETHER = 16

# Settings for all other ratios, which use the FFT: reach of the filter, and least length of a
# frame, both in samples at the lower rate. The FFT processes four or eight frames at a time, and a
# single remaining frame costs nearly as much as four.
_SPECTRUM_REACH = 64
_SPECTRUM = 1024
_FRAMES_TOGETHER = 4


def resample(waveform: tf.Tensor, rate: tf.Tensor, new_rate: int) -> tf.Tensor:
    """Resample one waveform with a linear-phase low-pass below the lower Nyquist frequency.

    Tones of up to 0.45 of the lower rate keep their level within 0.1 dB. Aliases, images and all
    frequencies above 0.5 of the lower rate are attenuated by at least 80 dB. The gain falls in
    between. There is no delay. Outside its ends the waveform counts as zero.

    Args:
        waveform: float32 ``(samples,)``.
        rate: int32 scalar, sample rate of ``waveform`` in Hz, at least 1. It may differ between
            calls of one graph.
        new_rate: sample rate of the result in Hz.

    Returns:
        float32 ``(ceil(samples * new_rate / rate),)``; ``waveform`` itself if the rates are equal.

    Source: polyphase filters (Crochiere & Rabiner, Multirate Digital Signal Processing, 1983,
    chapters 3 and 4) with equal ripple (Parks & McClellan, IEEE Transactions on Circuit Theory 19,
    1972); fast convolution in blocks and band-limited interpolation by the discrete Fourier
    transform (Oppenheim & Schafer, Discrete-Time Signal Processing, sections 8.7 and 4.6). Tested
    against soxr HQ.
    """
    rate = tf.cast(rate, tf.int32)
    change = _changer(new_rate)
    # Every op of an inlined branch costs time even if the branch is not taken. A call costs time
    # only if it is taken. So only the most frequent ratio is inlined here.
    old, new = _FREQUENT
    return tf.cond(
        # A recording that cannot be used has an empty waveform. It stays empty.
        tf.equal(rate, new_rate) | tf.equal(tf.size(waveform), 0),
        lambda: waveform,
        lambda: tf.cond(
            tf.equal(rate * new, new_rate * old),
            lambda: _by_filter(waveform, old, new),
            lambda: change(waveform, rate),
        ),
    )


@functools.cache
def _changer(new_rate: int) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Return a function that resamples a waveform from its given rate to ``new_rate``."""

    def change(waveform: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
        old, new = np.array(_SIMPLE, np.int64).T
        simple = tf.cast(rate, tf.int64) * new == new_rate * old
        # The last branch is for all ratios that are not simple.
        branch = tf.argmax(tf.concat([simple, [True]], 0), output_type=tf.int32)
        branches = [functools.partial(_by_filter, waveform, *ratio) for ratio in _SIMPLE]
        return tf.switch_case(branch, [*branches, lambda: _by_spectrum(waveform, rate, new_rate)])

    return rare(change)


def _by_filter(waveform: tf.Tensor, old_block: int, new_block: int) -> tf.Tensor:
    """Resample by a polyphase filter.

    The filter is a convolution whose input channels are the samples of a block and whose output
    channels are the phases.
    """
    kernel, reach = _kernel(old_block, new_block)
    rows, old, _ = kernel.shape
    samples = tf.size(waveform)
    # At least one block: a graph may be traced with an empty waveform.
    blocks = tf.maximum(-(-samples // old), 1)
    behind = (blocks + rows - 1) * old - samples - reach
    signal = tf.reshape(tf.pad(waveform, [[reach, behind]]), [1, -1, old])
    with tf.device("CPU"):  # TF32 on a GPU would raise the level of the stop-band.
        changed = tf.reshape(tf.nn.conv1d(signal, tf.constant(kernel), 1, "VALID"), [-1])
    return changed[: -(-samples * new_block // old_block)]


@functools.cache
def _kernel(old_block: int, new_block: int) -> tuple[npt.NDArray[Any], int]:
    """Compute the weight of each old sample in each new sample.

    Returns:
        The weights, float32 ``(rows, old, new)``, and the reach of the filter in old samples. The
        first old sample lies ``reach`` samples before the first new sample.
    """
    from scipy.signal import remez

    lower, dense = sorted((old_block, new_block))
    half = _FILTER_REACH * dense
    edges = [*_EDGES, dense / 2]
    taps = remez(2 * half + 1, edges, [1, 1, 0], weight=_WEIGHTS, maxiter=200, fs=dense)
    group = -(-_TOGETHER // lower)
    old, new = group * old_block, group * new_block
    reach = half // new_block
    last = (new - 1) * old_block // new_block
    rows = -(-(2 * reach + last + 1) // old)
    distance = (np.arange(rows * old) - reach)[:, None] * new_block - np.arange(new) * old_block
    inside = np.abs(distance) <= half
    kernel = np.where(inside, taps[np.where(inside, half + distance, 0)], 0.0)
    # Normalise, so that each phase passes a constant unchanged.
    kernel /= kernel.sum(axis=0)
    return kernel.reshape(rows, old, new).astype(np.float32), reach


@rare
def _by_spectrum(waveform: tf.Tensor, rate: tf.Tensor, new_rate: int) -> tf.Tensor:
    """Resample by FFT, blockwise.

    The spectrum of each block is cropped or padded with zeros, and transformed back at the new
    length. A block is a whole number of periods of the ratio. In its FFT frame the block is
    followed by the samples of its neighbours within the reach of the filter: first those of the
    next block, then those of the block before. This order is right because the transform is
    circular.
    """
    old_block, new_block = _in_lowest_terms(rate, new_rate)
    samples = tf.size(waveform)
    lower = tf.minimum(old_block, new_block)
    spare = -(-2 * _SPECTRUM_REACH // lower)
    reach = spare * old_block // 2
    powers = 2 ** np.arange(1, 11, dtype=np.int32)
    periods = tf.reduce_min(tf.where(powers * lower >= _SPECTRUM, powers, powers[-1]))
    hop = (periods - spare) * old_block
    blocks = tf.maximum(-(-samples // (hop * _FRAMES_TOGETHER)), 1) * _FRAMES_TOGETHER
    rows = tf.reshape(tf.pad(waveform, [[0, blocks * hop - samples]]), [blocks, hop])
    after = tf.pad(rows[1:, : spare * old_block - reach], [[0, 1], [0, 0]])
    before = tf.pad(rows[:-1, hop - reach :], [[1, 0], [0, 0]])
    spectra = tf.signal.rfft(tf.concat([rows, after, before], axis=1))
    passed = spectra[:, : periods * lower // 2 + 1] * _gains(periods, old_block, new_block)
    length = periods * new_block
    zeros = tf.zeros([blocks, length // 2 + 1 - tf.shape(passed)[1]], passed.dtype)
    passed = tf.concat([passed, zeros], axis=1)
    frames = tf.signal.irfft(passed, [length])
    changed = tf.reshape(frames[:, : (periods - spare) * new_block], [-1])
    wanted = -(-tf.cast(samples, tf.int64) * new_rate // tf.cast(rate, tf.int64))
    return changed[: tf.cast(wanted, tf.int32)]


def _in_lowest_terms(rate: tf.Tensor, new_rate: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Reduce the ratio of the old rate to the new rate to lowest terms."""
    candidates = np.arange(1, new_rate + 1, dtype=np.int32)
    divisors = candidates[new_rate % candidates == 0]
    divisor = tf.reduce_max(tf.where(rate % divisors == 0, divisors, 1))
    return rate // divisor, new_rate // divisor


def _gains(periods: tf.Tensor, old_block: tf.Tensor, new_block: tf.Tensor) -> tf.Tensor:
    """Compute the complex64 gain of each frequency.

    The gain falls like the integral of the Blackman window, so that the filter rings little.
    """
    lower = periods * tf.minimum(old_block, new_block)
    frequency = tf.cast(tf.range(lower // 2 + 1), tf.float32) / tf.cast(lower, tf.float32)
    way = tf.clip_by_value(frequency - _PASS, 0, _STOP - _PASS)
    angle = way * (2 * math.pi / (_STOP - _PASS))
    fall = angle - tf.sin(angle) * (0.5 / 0.42) + tf.sin(2 * angle) * (0.04 / 0.42)
    scale = tf.cast(new_block, tf.float32) / tf.cast(old_block, tf.float32)
    return tf.cast((1 - fall * (1 / (2 * math.pi))) * scale, tf.complex64)
