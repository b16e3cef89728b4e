"""Change the sample rate inside a TensorFlow graph."""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from serkit.audio.decoding import not_inlined

# Upper edge of the pass-band and lower edge of the stop-band, as fractions of the lower rate.
_PASS_EDGE, _STOP_EDGE = 0.45, 0.5

# Ratios of the old rate to the new rate that use a polyphase filter: from 48, 8, 24, 32 and 96 kHz
# to 16. Each is a part of the graph of an exported model. With more than two phases, the images of
# an equal-ripple filter would add up to more than -80 dB.
_SIMPLE_RATIOS = ((3, 1), (1, 2), (3, 2), (2, 1), (6, 1))
# Half length of these filters, in samples at the lower rate. The ripple is 0.0004 dB below 0.41 of
# the lower rate, where tones must not ring after their ends. The price is a ripple of 0.07 dB from
# there to 0.45. The stop-band from 0.5 on is at -87 dB, or at -81 dB with two phases.
_FILTER_REACH = 40
_EDGES = (0, 0.41, 0.42, _PASS_EDGE, _STOP_EDGE)
_WEIGHTS = (400, 1, 200)
# Smallest number of columns of a matrix product, so that they fill a vector register of the CPU.
_MIN_CHANNELS = 16
# Multiple of the number of rows that Eigen computes at once: 24 with AVX2, 48 with AVX-512. It adds
# up the remaining rows in another order, and which rows remain depends on the number of threads.
_ROWS_AT_ONCE = 48

# Settings for all other ratios, which use the FFT: reach of the filter, and smallest length of a
# frame, both in samples at the lower rate. The FFT processes four or eight frames at a time, and a
# single remaining frame costs nearly as much as four.
_SPECTRUM_REACH = 64
_MIN_FRAME_LENGTH = 1024
_FRAMES_PER_FFT = 4

# A ratio in lowest terms with a number above the first is replaced by a ratio of smaller numbers
# that differs by at most the second, relatively. Otherwise a header with a rate such as 999,983 Hz
# would cost FFTs of two million points, however short the recording. (TESS, 24,414 Hz, keeps its
# ratio to 16 kHz, 12,207 to 8,000.)
_LONGEST_BLOCK = 12_500
_LONGEST_BLOCK_IF_NONE_IS_CLOSE = 50_000
_MAX_RATIO_ERROR = 1e-5
# Highest lower number of such a ratio. There is one for each rate from 1,000 to 1,000,000 Hz.
_HIGHEST_LOWER_BLOCK = 8192
# If possible, both numbers have no prime factor above this, because the FFT of other lengths takes
# several times as long.
_MAX_PRIME_FACTOR = 31


def resample(waveform: tf.Tensor, rate: tf.Tensor, new_rate: int) -> tf.Tensor:
    """Resample one waveform with a linear-phase low-pass below the lower Nyquist frequency.

    Tones of up to 0.45 of the lower rate keep their level within 0.1 dB. Aliases, images and all
    frequencies above 0.5 of the lower rate are attenuated by at least 80 dB. The gain falls in
    between. There is no delay. Samples before the start and after the end count as zero.

    Args:
        waveform: float32 ``(samples,)``.
        rate: int32 scalar, sample rate of ``waveform`` in Hz, at least 1. It may differ between
            calls of one graph.
        new_rate: sample rate of the result in Hz.

    Returns:
        float32 ``(ceil(samples * new_rate / rate),)``; ``waveform`` itself if the rates are equal.
        Where the ratio of the rates in lowest terms has a number above 12,500, the ratio that is
        used differs from it by at most 1e-5.

    Source: polyphase filters (Crochiere & Rabiner, Multirate Digital Signal Processing, 1983,
    chapters 3 and 4) with equal ripple (Parks & McClellan, IEEE Transactions on Circuit Theory 19,
    1972); fast convolution in blocks and band-limited interpolation by the discrete Fourier
    transform (Oppenheim & Schafer, Discrete-Time Signal Processing, sections 8.7 and 4.6). Tested
    against soxr HQ.
    """
    if tf.get_static_value(rate) == new_rate:
        return waveform
    rate = tf.cast(rate, tf.int32)
    resample_by_ratio = _resampler_to(new_rate)
    return tf.cond(
        # A recording that cannot be used has an empty waveform. It stays empty.
        tf.equal(rate, new_rate) | tf.equal(tf.size(waveform), 0),
        lambda: waveform,
        lambda: resample_by_ratio(waveform, rate),
    )


@functools.cache
def _resampler_to(new_rate: int) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Return a function that resamples a waveform from its given rate to ``new_rate``."""

    def change(waveform: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
        old_blocks, new_blocks = np.array(_SIMPLE_RATIOS, np.int64).T
        is_simple_ratio = tf.cast(rate, tf.int64) * new_blocks == new_rate * old_blocks
        # The last branch is for all ratios that are not simple.
        branch = tf.argmax(tf.concat([is_simple_ratio, [True]], 0), output_type=tf.int32)
        branches = [functools.partial(_by_filter, waveform, *ratio) for ratio in _SIMPLE_RATIOS]
        return tf.switch_case(branch, [*branches, lambda: _by_spectrum(waveform, rate, new_rate)])

    return not_inlined(change)


def _by_filter(waveform: tf.Tensor, old_block: int, new_block: int) -> tf.Tensor:
    """Resample by a polyphase filter.

    The filter is a convolution whose input channels are the samples of a block and whose output
    channels are the phases. It is computed as one matrix product per row of the kernel: with
    oneDNN, TensorFlow's convolution has other last bits in ``Dataset.map`` than in an exported
    model, and on one thread it takes a fifth longer.
    """
    weights, reach = _weights(old_block, new_block)
    # A row is so many blocks that the matrix product has enough columns.
    blocks_per_row = -(-_MIN_CHANNELS // min(old_block, new_block))
    old_per_row = blocks_per_row * old_block
    kernel_rows = -(-(len(weights) + old_per_row - old_block) // old_per_row)
    kernel = _kernel(weights, old_block, blocks_per_row, kernel_rows * old_per_row)
    samples = tf.size(waveform)
    # Not zero: a graph may be traced with an empty waveform.
    blocks = tf.maximum(-(-samples // (_ROWS_AT_ONCE * old_per_row)), 1) * _ROWS_AT_ONCE
    trailing_zeros = (blocks + kernel_rows - 1) * old_per_row - samples - reach
    signal = tf.reshape(tf.pad(waveform, [[reach, trailing_zeros]]), [-1, old_per_row])
    with tf.device("CPU"):  # TF32 on a GPU would raise the level of the stop-band.
        products = [
            tf.matmul(signal[row : row + blocks], part)
            for row, part in enumerate(tf.split(kernel, kernel_rows))
        ]
    return tf.reshape(tf.add_n(products), [-1])[: -(-samples * new_block // old_block)]


@functools.cache
def _weights(old_block: int, new_block: int) -> tuple[npt.NDArray[Any], int]:
    """Compute the weight of each old sample in each new sample of one block.

    Returns:
        The weights, float32 ``(old, new_block)``, and the reach of the filter in old samples. The
        first old sample lies ``reach`` samples before the first new sample.
    """
    from scipy.signal import remez

    higher_block = max(old_block, new_block)
    half_length = _FILTER_REACH * higher_block
    edges = [*_EDGES, higher_block / 2]
    taps = remez(
        2 * half_length + 1, edges, [1, 1, 0], weight=_WEIGHTS, maxiter=200, fs=higher_block
    )
    reach = half_length // new_block
    new_positions = np.arange(new_block) * old_block
    old_positions = np.arange(-reach, reach + 1 + new_positions[-1] // new_block) * new_block
    distance = old_positions[:, None] - new_positions
    is_inside = np.abs(distance) <= half_length
    weights = np.where(is_inside, taps[np.where(is_inside, half_length + distance, 0)], 0.0)
    # Normalise, so that each phase passes a constant unchanged.
    return (weights / weights.sum(axis=0)).astype(np.float32), reach


def _kernel(
    weights: npt.NDArray[Any], old_block: int, blocks_per_row: int, old_count: int
) -> tf.Tensor:
    """Return the weights of several blocks side by side, ``(old_count, new samples)``.

    They are put together in the graph, which holds the weights of one block only.
    """
    offset = (blocks_per_row - 1) * old_block
    padded = tf.pad(weights, [[offset, old_count - len(weights)], [0, 0]])
    shifts = offset - tf.range(blocks_per_row) * old_block
    blocks = tf.gather(padded, tf.expand_dims(tf.range(old_count), 1) + shifts)
    return tf.reshape(blocks, [old_count, -1])


@not_inlined
def _by_spectrum(waveform: tf.Tensor, rate: tf.Tensor, new_rate: int) -> tf.Tensor:
    """Resample by FFT, blockwise.

    The spectrum of each block is cropped or padded with zeros, and transformed back at the new
    length. A block is a whole number of periods of the ratio. In its FFT frame the block is
    followed by the samples of its neighbours within the reach of the filter: first those of the
    next block, then those of the block before. This order is right because the transform is
    circular.
    """
    old_block, new_block = _ratio(rate, new_rate)
    samples = tf.size(waveform)
    lower_block = tf.minimum(old_block, new_block)
    spare_periods = -(-2 * _SPECTRUM_REACH // lower_block)
    reach = spare_periods * old_block // 2
    powers_of_two = 2 ** np.arange(1, 11, dtype=np.int32)
    periods = tf.reduce_min(
        tf.where(powers_of_two * lower_block >= _MIN_FRAME_LENGTH, powers_of_two, powers_of_two[-1])
    )
    block_samples = (periods - spare_periods) * old_block
    blocks = tf.maximum(-(-samples // (block_samples * _FRAMES_PER_FFT)), 1) * _FRAMES_PER_FFT
    block_rows = tf.reshape(
        tf.pad(waveform, [[0, blocks * block_samples - samples]]), [blocks, block_samples]
    )
    after = tf.pad(block_rows[1:, : spare_periods * old_block - reach], [[0, 1], [0, 0]])
    before = tf.pad(block_rows[:-1, block_samples - reach :], [[1, 0], [0, 0]])
    spectra = tf.signal.rfft(tf.concat([block_rows, after, before], axis=1))
    filtered = spectra[:, : periods * lower_block // 2 + 1] * _gains(periods, old_block, new_block)
    new_frame_length = periods * new_block
    zeros = tf.zeros([blocks, new_frame_length // 2 + 1 - tf.shape(filtered)[1]], filtered.dtype)
    filtered = tf.concat([filtered, zeros], axis=1)
    frames = tf.signal.irfft(filtered, [new_frame_length])
    resampled = tf.reshape(frames[:, : (periods - spare_periods) * new_block], [-1])
    sample_count = tf.cast(
        -(-tf.cast(samples, tf.int64) * new_rate // tf.cast(rate, tf.int64)), tf.int32
    )
    # With a ratio that is slightly too low, a long recording has some samples less.
    missing = tf.maximum(sample_count - tf.size(resampled), 0)
    return tf.pad(resampled, [[0, missing]])[:sample_count]


def _ratio(rate: tf.Tensor, new_rate: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the ratio of the old rate to the new rate in lowest terms, or one close to it."""
    candidates = np.arange(1, new_rate + 1, dtype=np.int32)
    divisors = candidates[new_rate % candidates == 0]
    divisor = tf.reduce_max(tf.where(rate % divisors == 0, divisors, 1))
    exact = rate // divisor, new_rate // divisor
    lower_rate, higher_rate = tf.minimum(rate, new_rate), tf.maximum(rate, new_rate)
    quotient = tf.cast(higher_rate, tf.float64) / tf.cast(lower_rate, tf.float64)
    lower_blocks = tf.cast(tf.range(1, _HIGHEST_LOWER_BLOCK + 1), tf.float64)
    higher_blocks = tf.round(lower_blocks * quotient)
    is_close = tf.abs(higher_blocks / (lower_blocks * quotient) - 1.0) <= _MAX_RATIO_ERROR
    is_fast = _has_fast_fft(higher_blocks) & _has_fast_fft(lower_blocks)
    # The first that is close and fast, or else the first that is close.
    first = tf.argmax(2 * tf.cast(is_close & is_fast, tf.int32) + tf.cast(is_close, tf.int32))
    lower, higher = (tf.cast(blocks[first], tf.int32) for blocks in (lower_blocks, higher_blocks))
    close = tf.cond(rate > new_rate, lambda: (higher, lower), lambda: (lower, higher))
    # For rates that are nearly equal, none may be close.
    longest = tf.where(tf.reduce_any(is_close), _LONGEST_BLOCK, _LONGEST_BLOCK_IF_NONE_IS_CLOSE)
    return tf.cond(tf.maximum(*exact) <= longest, lambda: exact, lambda: close)


def _has_fast_fft(lengths: tf.Tensor) -> tf.Tensor:
    """Return whether the FFT of each length is fast. Lengths that are too long count as slow."""
    lengths = tf.minimum(tf.cast(lengths, tf.int32), _LONGEST_BLOCK_IF_NONE_IS_CLOSE + 1)
    # Eight numbers a byte, because the constant is a part of the graph of an exported model.
    packed = tf.constant(np.packbits(_numbers_with_fast_fft(), bitorder="little"))
    position = tf.cast(tf.bitwise.bitwise_and(lengths, 7), packed.dtype)
    bits = tf.bitwise.right_shift(tf.gather(packed, lengths // 8), position)
    return tf.equal(tf.bitwise.bitwise_and(bits, 1), 1)


@functools.cache
def _numbers_with_fast_fft() -> npt.NDArray[np.bool_]:
    """Return whether the FFT of a length is fast, by length. The last is for all longer ones."""
    rest = np.arange(_LONGEST_BLOCK_IF_NONE_IS_CLOSE + 2)
    rest[0] = len(rest)
    for factor in range(2, _MAX_PRIME_FACTOR + 1):
        while (divisible := rest % factor == 0).any():
            rest[divisible] //= factor
    return rest == 1


def _gains(periods: tf.Tensor, old_block: tf.Tensor, new_block: tf.Tensor) -> tf.Tensor:
    """Compute the complex64 gain of each frequency.

    The gain falls like the integral of the Blackman window, so that the filter rings little.
    """
    lower_length = periods * tf.minimum(old_block, new_block)
    frequency = tf.cast(tf.range(lower_length // 2 + 1), tf.float32) / tf.cast(
        lower_length, tf.float32
    )
    distance_into_band = tf.clip_by_value(frequency - _PASS_EDGE, 0, _STOP_EDGE - _PASS_EDGE)
    angle = distance_into_band * (2 * math.pi / (_STOP_EDGE - _PASS_EDGE))
    attenuation = angle - tf.sin(angle) * (0.5 / 0.42) + tf.sin(2 * angle) * (0.04 / 0.42)
    scale = tf.cast(new_block, tf.float32) / tf.cast(old_block, tf.float32)
    return tf.cast((1 - attenuation * (1 / (2 * math.pi))) * scale, tf.complex64)
