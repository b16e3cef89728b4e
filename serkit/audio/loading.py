"""Bytes to waveforms of the spec's rate and length: the one way in for training and serving."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from serkit.audio.decoding import Decoded, decode_wav
from serkit.audio.length import fit_length, trim_silence, windows
from serkit.audio.resampling import resample
from serkit.audio.spectrogram import SpectrogramSpec

# Samples at the spec's rate that resampling may disturb at a cut, at either end.
_MARGIN = 2048
# Of what has to be had whole; a header that claims a strange rate must not fill the memory.
_LONGEST_SECONDS = 600
_CUT = "longer than {0} minutes, of which the middle {0} are used".format(_LONGEST_SECONDS // 60)


class Loaded(NamedTuple):
    """What became of a recording; also a structure that ``Dataset.map`` and graphs take.

    Attributes:
        waveform: float32 ``(spec.samples,)``, or ``(windows, spec.samples)``; silence if the
            recording cannot be used.
        status: scalar string, empty when all is well, else what is wrong.
        note: scalar string, empty, or what is odd about a recording that can be used.
    """

    waveform: tf.Tensor
    status: tf.Tensor
    note: tf.Tensor


def load_waveform(
    data: tf.Tensor,
    spec: SpectrogramSpec,
    decode: Callable[[tf.Tensor], Decoded] = decode_wav,
) -> Loaded:
    """Bytes of a recording to a waveform of the spec's rate and length.

    Args:
        data: scalar string, the whole file.
        spec: gives rate and length; longer recordings lose their ends, shorter ones get zeros.
        decode: bytes to samples; the default is what can be exported.
    """
    decoded = decode(data)
    enough = (spec.samples + 2 * _MARGIN) / spec.sample_rate
    if spec.trim_db:
        waveform = _at_rate(decoded, spec, max(enough, _LONGEST_SECONDS))
    else:
        # An hour's resampling would be for nothing; what needs none is cut just once.
        waveform = tf.cond(
            tf.equal(decoded.sample_rate, spec.sample_rate),
            lambda: decoded.waveform,
            lambda: _at_rate(decoded, spec, enough),
        )
    return Loaded(fit_length(waveform, spec), decoded.status, decoded.note)


def load_windows(
    data: tf.Tensor,
    spec: SpectrogramSpec,
    decode: Callable[[tf.Tensor], Decoded] = decode_wav,
) -> Loaded:
    """Bytes of a recording to overlapping windows that cover all of it.

    Of a recording longer than ten minutes it is the middle ten, and the note says so. Arguments as
    for :func:`load_waveform`, which gives the same for a recording that fits into one window.
    """
    decoded = decode(data)
    waveform = _at_rate(decoded, spec, _LONGEST_SECONDS)
    seconds = tf.size(decoded.waveform) / decoded.sample_rate
    note = _joined(decoded.note, tf.where(seconds > _LONGEST_SECONDS, _CUT, ""))
    return Loaded(windows(waveform, spec), decoded.status, note)


def _joined(note: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    both = tf.logical_and(tf.not_equal(note, ""), tf.not_equal(other, ""))
    return tf.strings.join([note, tf.where(both, "; ", ""), other])


def _at_rate(decoded: Decoded, spec: SpectrogramSpec, seconds: float) -> tf.Tensor:
    """The middle of a recording, at the spec's rate, without silent ends if the spec says so."""
    waveform, rate, *_ = decoded
    wanted = tf.cast(tf.math.ceil(seconds * tf.cast(rate, tf.float64)), tf.int32)
    start = tf.maximum(tf.size(waveform) - wanted, 0) // 2
    waveform = waveform[start : start + wanted]
    waveform = resample(waveform, rate, spec.sample_rate)
    return trim_silence(waveform, spec.trim_db) if spec.trim_db else waveform
