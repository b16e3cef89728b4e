"""Bytes to what a network takes; training, export and serving all go through here."""

import tensorflow as tf

from serkit.audio.decoding import decode_wav
from serkit.audio.resampling import resample
from serkit.audio.spectrogram import SpectrogramSpec, fit_length

# Samples at the spec's rate that resampling may disturb at a cut, at either end.
_MARGIN = 2048


def load_waveform(data: tf.Tensor, spec: SpectrogramSpec) -> tuple[tf.Tensor, tf.Tensor]:
    """Bytes of a WAV file to a waveform of the spec's rate and length.

    Args:
        data: scalar string, the whole file.
        spec: gives rate and length; longer recordings lose their ends, shorter ones get zeros.

    Returns:
        float32 ``(spec.samples,)`` and the decoder's status, a scalar string that is empty when
        all is well; otherwise the waveform is silence.
    """
    waveform, rate, status = decode_wav(data)
    waveform = _middle(waveform, rate, spec)
    return fit_length(resample(waveform, rate, spec.sample_rate), spec), status


def _middle(waveform: tf.Tensor, rate: tf.Tensor, spec: SpectrogramSpec) -> tf.Tensor:
    """What the spec's length needs, and a margin: an hour's FFT would be for nothing."""
    wanted = tf.constant(spec.samples + 2 * _MARGIN, tf.int64) * tf.cast(rate, tf.int64)
    wanted = tf.cast(-(-wanted // spec.sample_rate), tf.int32)
    start = tf.maximum(tf.size(waveform) - wanted, 0) // 2
    return waveform[start : start + wanted]
