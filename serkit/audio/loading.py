"""Load the bytes of a recording as a waveform of a given rate and length, or as a spectrogram."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy.typing as npt
import tensorflow as tf

from serkit.audio.compressed import decode_any
from serkit.audio.decoding import Decoded, decode_wav
from serkit.audio.resampling import resample
from serkit.audio.spectrogram import SpectrogramSpec, to_spectrogram
from serkit.errors import InputError, RecordingError

# librosa's defaults: 128 ms at 16 kHz, a frame every 32 ms.
_FRAME, _HOP = 2048, 512
_MIN_OVERLAP = 0.5


def trim_silence(waveform: tf.Tensor, below_db: float) -> tf.Tensor:
    """Trim leading and trailing silence.

    A frame has 2,048 samples; there is one every 512 samples, centred. A frame is silent if its RMS
    is ``below_db`` or more below the RMS of the loudest frame.

    Args:
        waveform: float32 ``(samples,)``.
        below_db: threshold in dB, above 0.

    Returns:
        float32, the samples from the first frame that is not silent to the last. If all samples are
        0, the result is empty.

    Raises:
        InputError: if ``below_db`` is not above 0.

    Source: ``librosa.effects.trim``, which gives the same result.
    """
    if not below_db > 0:
        raise InputError(f"`below_db` must be above 0 dB. Received: {below_db!r}.")
    samples = tf.size(waveform)
    frame_count = 1 + samples // _HOP
    # Sum the squares of blocks first, because each block is part of four frames. Use float64, so
    # that rounding errors of a loud beginning do not affect later frames.
    padded = tf.pad(waveform, [[_FRAME // 2, _FRAME // 2 + _HOP]])
    blocks = tf.reshape(padded[: (frame_count + 3) * _HOP], [-1, _HOP])
    block_energies = tf.reduce_sum(tf.square(tf.cast(blocks, tf.float64)), axis=1)
    frame_energies = tf.add_n(
        [block_energies[offset : offset + frame_count] for offset in range(_FRAME // _HOP)]
    )
    loudest = tf.reduce_max(frame_energies)
    sounding_frames = tf.where(
        (frame_energies > loudest * 10.0 ** (-below_db / 10.0)) & (frame_energies > 0)
    )[:, 0]
    frame_indices = tf.cast(sounding_frames, tf.int32)
    return tf.cond(
        tf.size(frame_indices) > 0,
        lambda: waveform[
            frame_indices[0] * _HOP : tf.minimum((frame_indices[-1] + 1) * _HOP, samples)
        ],
        lambda: waveform[:0],
    )


def fit_length(waveform: tf.Tensor, spec: SpectrogramSpec) -> tf.Tensor:
    """Crop a longer waveform to its middle, or pad a shorter one with zeros at both ends.

    Args:
        waveform: float32 ``(any,)`` at the spec's rate.
        spec: settings that give the length.

    Returns:
        float32 ``(spec.samples,)``.
    """
    surplus = tf.size(waveform) - spec.samples
    start = tf.maximum(surplus, 0) // 2
    waveform = waveform[start : start + spec.samples]
    leading_zeros = tf.maximum(-surplus, 0) // 2
    trailing_zeros = spec.samples - tf.size(waveform) - leading_zeros
    # tf.concat is several times as fast as tf.pad.
    waveform = tf.concat([tf.zeros([leading_zeros]), waveform, tf.zeros([trailing_zeros])], axis=0)
    return tf.ensure_shape(waveform, [spec.samples])


def split_into_windows(waveform: tf.Tensor, spec: SpectrogramSpec) -> tf.Tensor:
    """Split a waveform into windows of the spec's length that overlap by half or more.

    The windows are spread evenly from the first sample to the last, so that they need no padding. A
    waveform that is not longer than the spec's length gives one window, as from :func:`fit_length`.

    Args:
        waveform: float32 ``(any,)`` at the spec's rate.
        spec: settings that give the length.

    Returns:
        float32 ``(windows, spec.samples)``.
    """
    surplus = tf.maximum(tf.size(waveform) - spec.samples, 0)
    max_hop = max(1, int(spec.samples * (1 - _MIN_OVERLAP)))
    window_count = 1 + -(-surplus // max_hop)
    window_indices = tf.range(window_count, dtype=tf.int64)
    intervals = tf.cast(tf.maximum(window_count - 1, 1), tf.int64)
    starts = tf.cast(window_indices * tf.cast(surplus, tf.int64) // intervals, tf.int32)
    padded = tf.cond(surplus > 0, lambda: waveform, lambda: fit_length(waveform, spec))
    windows = tf.map_fn(
        lambda start: tf.ensure_shape(padded[start : start + spec.samples], [spec.samples]),
        starts,
        fn_output_signature=tf.float32,
    )
    return tf.ensure_shape(windows, [None, spec.samples])


# Samples at the spec's rate that resampling may change at each end of a cropped waveform.
_MARGIN = 2048
# Longer recordings are cropped. A header with a wrong rate must not exhaust the memory.
_MAX_SECONDS = 600
_CROPPED_NOTE = "longer than {0} minutes, of which the middle {0} are used".format(
    _MAX_SECONDS // 60
)


class Loaded(NamedTuple):
    """A loaded recording, usable as a tensor structure in ``Dataset.map`` and in graphs.

    Attributes:
        waveform: float32 ``(spec.samples,)``, or ``(windows, spec.samples)``; silence if the
            recording cannot be used.
        status: scalar string; empty if the recording can be used, else a description of the
            problem.
        note: scalar string; empty, or a warning about a recording that can be used.
    """

    waveform: tf.Tensor
    status: tf.Tensor
    note: tf.Tensor


@tf.autograph.experimental.do_not_convert
def load_waveform(
    data: tf.Tensor, spec: SpectrogramSpec, decode: Callable[[tf.Tensor], Decoded] = decode_wav
) -> Loaded:
    """Load a recording as a waveform of the spec's rate and length.

    Args:
        data: scalar string, the whole file.
        spec: settings that give rate and length. Longer recordings are cropped to their middle,
            shorter recordings are padded with zeros at both ends.
        decode: function that decodes the bytes. The default can be exported.

    Returns:
        A :class:`Loaded` with a waveform ``(spec.samples,)``.
    """
    decoded = decode(data)
    needed_seconds = (spec.samples + 2 * _MARGIN) / spec.sample_rate
    if spec.trim_db:
        waveform = _resample_middle(decoded, spec, max(needed_seconds, _MAX_SECONDS))
    else:
        # Crop before resampling, to save time on long recordings. A recording that is already at
        # the spec's rate is cropped only once, by fit_length.
        waveform = tf.cond(
            tf.equal(decoded.sample_rate, spec.sample_rate),
            lambda: decoded.waveform,
            lambda: _resample_middle(decoded, spec, needed_seconds),
        )
    return Loaded(fit_length(waveform, spec), decoded.status, decoded.note)


def spectrogram(file: Path | str, spec: SpectrogramSpec | None = None) -> npt.NDArray[Any]:
    """Compute the spectrogram of a recording, as in training and in an exported model.

    Args:
        file: a WAV, FLAC, MP3 or Ogg Vorbis file of any sample rate and length.
        spec: settings of the spectrogram; default: ``SpectrogramSpec()``.

    Returns:
        float32 ``(frames, bins, 1)`` in [-1, 1]: decibels below the clip's maximum. See
        :func:`serkit.audio.spectrogram.to_spectrogram`.

    Raises:
        RecordingError: if the file cannot be read or decoded; the message names it.

    Source: 2021 report, section 4.3.

    Example:
        >>> import pathlib, tempfile, numpy as np, serkit, soundfile
        >>> file = pathlib.Path(tempfile.mkdtemp(), "tone.wav")
        >>> soundfile.write(file, np.sin(np.arange(16_000) / 5), 16_000)
        >>> spectrogram = serkit.spectrogram(file, serkit.SpectrogramSpec(frames=32, bins=64))
        >>> spectrogram.shape, float(spectrogram.max())
        ((32, 64, 1), 1.0)
    """
    spec = spec or SpectrogramSpec()
    try:
        content = Path(file).read_bytes()
    except OSError as error:
        raise RecordingError(f"{file}: {error.strerror}") from error
    loaded = load_waveform(tf.constant(content), spec, decode_any)
    if problem := bytes(loaded.status.numpy()).decode():
        raise RecordingError(f"{file}: {problem}")
    return to_spectrogram(loaded.waveform[tf.newaxis], spec).numpy()[0]


@tf.autograph.experimental.do_not_convert
def load_windows(
    data: tf.Tensor, spec: SpectrogramSpec, decode: Callable[[tf.Tensor], Decoded] = decode_wav
) -> Loaded:
    """Load a recording as overlapping windows that cover all of it.

    If a recording is longer than ten minutes, only its middle ten minutes are used, and a note is
    added. For a recording that fits into one window, this window is the waveform that
    :func:`load_waveform` returns. The arguments are those of :func:`load_waveform`.

    Returns:
        A :class:`Loaded` with a waveform ``(windows, spec.samples)``.
    """
    decoded = decode(data)
    waveform = _resample_middle(decoded, spec, _MAX_SECONDS)
    seconds = tf.size(decoded.waveform) / decoded.sample_rate
    note = _join_notes(decoded.note, tf.where(seconds > _MAX_SECONDS, _CROPPED_NOTE, ""))
    return Loaded(split_into_windows(waveform, spec), decoded.status, note)


def _join_notes(note: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    has_both = tf.logical_and(tf.not_equal(note, ""), tf.not_equal(other, ""))
    return tf.strings.join([note, tf.where(has_both, "; ", ""), other])


def _resample_middle(decoded: Decoded, spec: SpectrogramSpec, seconds: float) -> tf.Tensor:
    """Crop a recording to its middle, resample it to the spec's rate, and trim it if required."""
    waveform, rate = decoded.waveform, decoded.sample_rate
    max_samples = tf.cast(tf.math.ceil(seconds * tf.cast(rate, tf.float64)), tf.int32)
    start = tf.maximum(tf.size(waveform) - max_samples, 0) // 2
    waveform = waveform[start : start + max_samples]
    waveform = resample(waveform, rate, spec.sample_rate)
    return trim_silence(waveform, spec.trim_db) if spec.trim_db else waveform
