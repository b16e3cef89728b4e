"""Bytes to waveforms of a given sample rate and length, for training and inference alike."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from serkit.audio.decoding import Decoded, decode_wav
from serkit.audio.resampling import resample
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.errors import InputError

# As librosa's: 128 ms at 16 kHz, a frame every 32 ms.
_FRAME, _HOP = 2048, 512
_OVERLAP = 0.5


def trim_silence(waveform: tf.Tensor, below_db: float) -> tf.Tensor:
    """Cut off what is silent at the beginning and at the end.

    Silent is a frame of 2,048 samples (one every 512, centred) whose RMS is ``below_db`` or more
    below that of the loudest frame.

    Args:
        waveform: float32 ``(samples,)``.
        below_db: dB, above 0.

    Returns:
        float32, the part from the first frame with sound to the last; nothing of a recording of
        zeros.

    Raises:
        InputError: if ``below_db`` is not above 0.

    Source: the same as ``librosa.effects.trim``.
    """
    if not below_db > 0:
        raise InputError(f"below_db={below_db!r}; valid is more than 0 dB")
    samples = tf.size(waveform)
    frames = 1 + samples // _HOP
    # Sums of blocks first: every block is in four frames. Doubles, so that a loud beginning does
    # not leave its rounding behind.
    padded = tf.pad(waveform, [[_FRAME // 2, _FRAME // 2 + _HOP]])
    blocks = tf.reshape(padded[: (frames + 3) * _HOP], [-1, _HOP])
    sums = tf.reduce_sum(tf.square(tf.cast(blocks, tf.float64)), axis=1)
    power = tf.add_n([sums[first : first + frames] for first in range(_FRAME // _HOP)])
    loudest = tf.reduce_max(power)
    sound = tf.where((power > loudest * 10.0 ** (-below_db / 10.0)) & (power > 0))[:, 0]
    places = tf.cast(sound, tf.int32)
    return tf.cond(
        tf.size(places) > 0,
        lambda: waveform[places[0] * _HOP : tf.minimum((places[-1] + 1) * _HOP, samples)],
        lambda: waveform[:0],
    )


def fit_length(waveform: tf.Tensor, spec: SpectrogramSpec) -> tf.Tensor:
    """Cut the middle out of a longer waveform, put zeros around a shorter one.

    Args:
        waveform: float32 ``(any,)`` at the spec's rate.
        spec: gives the length.

    Returns:
        float32 ``(spec.samples,)``.
    """
    surplus = tf.size(waveform) - spec.samples
    start = tf.maximum(surplus, 0) // 2
    waveform = waveform[start : start + spec.samples]
    before = tf.maximum(-surplus, 0) // 2
    behind = spec.samples - tf.size(waveform) - before
    # Copying, several times as fast as tf.pad.
    waveform = tf.concat([tf.zeros([before]), waveform, tf.zeros([behind])], axis=0)
    return tf.ensure_shape(waveform, [spec.samples])


def windows(waveform: tf.Tensor, spec: SpectrogramSpec) -> tf.Tensor:
    """All of a long waveform in windows of the spec's length that overlap by half or more.

    They are spread evenly from the first sample to the last, so that none holds padding. A waveform
    that is no longer than the spec's length gives one window, the same as :func:`fit_length`.

    Args:
        waveform: float32 ``(any,)`` at the spec's rate.
        spec: gives the length.

    Returns:
        float32 ``(windows, spec.samples)``.
    """
    surplus = tf.maximum(tf.size(waveform) - spec.samples, 0)
    hop = max(1, int(spec.samples * (1 - _OVERLAP)))
    count = 1 + -(-surplus // hop)
    numbers = tf.range(count, dtype=tf.int64)
    steps = tf.cast(tf.maximum(count - 1, 1), tf.int64)
    starts = tf.cast(numbers * tf.cast(surplus, tf.int64) // steps, tf.int32)
    padded = tf.cond(surplus > 0, lambda: waveform, lambda: fit_length(waveform, spec))
    found = tf.map_fn(
        lambda start: tf.ensure_shape(padded[start : start + spec.samples], [spec.samples]),
        starts,
        fn_output_signature=tf.float32,
    )
    return tf.ensure_shape(found, [None, spec.samples])


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
