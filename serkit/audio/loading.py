"""Bytes to what a network takes; training, export and serving all go through here."""

import tensorflow as tf

from serkit.audio.decoding import decode_wav
from serkit.audio.resampling import resample
from serkit.audio.spectrogram import SpectrogramSpec, fit_length


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
    return fit_length(resample(waveform, rate, spec.sample_rate), spec), status
