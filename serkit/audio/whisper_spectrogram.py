"""Whisper's log-mel spectrogram, in plain TensorFlow ops."""

import functools
import math
from typing import Any

import librosa
import numpy.typing as npt
import tensorflow as tf

SAMPLE_RATE = 16_000
"""Sample rate of Whisper's input in Hz."""
MAX_SAMPLES = 30 * SAMPLE_RATE
"""Whisper's longest input: 30 seconds."""
HOP = 160
"""Samples from one frame to the next: 10 ms."""
WINDOW = 400
"""Samples of a frame: 25 ms."""
# log10 of power: the floor of all values, and the range below the clip's maximum.
_MIN_POWER = 1e-10
_RANGE = 8.0


def whisper_spectrogram(waveforms: tf.Tensor, mels: int = 80) -> tf.Tensor:
    """Compute the input of Whisper's encoder.

    The frames are 25 ms long, one every 10 ms, with a Hann window. Frame t has its centre at sample
    160 t; the waveform is mirrored at its ends. The mel filters are librosa's with their default
    scale and norm (Slaney's).

    Args:
        waveforms: float32 ``(batch, samples)`` in [-1, 1] at 16 kHz, with more than 200 samples.
            They are not padded to 30 seconds.
        mels: number of mel bands: 80, or 128 for large-v3 and turbo.

    Returns:
        float32 ``(batch, samples // 160, mels)``. The decadic logarithm of the power, from 8 below
        the clip's maximum on, shifted by 4 and divided by 4: a clip's values span at most 2.

    Source: Radford et al. (2022), arXiv:2212.04356, section 2.2.

    Example:
        >>> import tensorflow as tf
        >>> whisper_spectrogram(tf.random.normal([2, 16_000])).shape.as_list()
        [2, 100, 80]
    """
    half = WINDOW // 2
    mirrored = tf.pad(waveforms, [[0, 0], [half, half]], "REFLECT")
    frames = tf.signal.stft(mirrored, WINDOW, HOP, WINDOW)[:, :-1]
    return scale_bands(tf.matmul(tf.square(tf.abs(frames)), tf.constant(mel_filters(mels))))


def scale_bands(bands: tf.Tensor) -> tf.Tensor:
    """Compute :func:`whisper_spectrogram` from the power in each band ``(batch, frames, mels)``."""
    levels = tf.math.log(tf.maximum(bands, _MIN_POWER)) * (1 / math.log(10))
    loudest = tf.reduce_max(levels, axis=[1, 2], keepdims=True)
    return (tf.maximum(levels, loudest - _RANGE) + 4.0) / 4.0


@functools.cache
def mel_filters(mels: int) -> npt.NDArray[Any]:
    """Return the weights of the FFT bins in the mel bands, float32 ``(201, mels)``."""
    return librosa.filters.mel(sr=SAMPLE_RATE, n_fft=WINDOW, n_mels=mels).T
