"""Load the bytes of a recording as a waveform of a given rate and length, or as a spectrogram."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy.typing as npt
import tensorflow as tf

from serkit.audio.compressed import decode_any
from serkit.audio.decoding import Decoded, decode_wav, not_inlined
from serkit.audio.resampling import resample
from serkit.audio.spectrogram import SpectrogramSpec, to_spectrogram
from serkit.errors import InputError, RecordingError

TRIM_FRAME, TRIM_HOP = 2048, 512
"""Samples of a frame and from one frame to the next in :func:`trim_silence`: librosa's defaults."""
_BLOCKS_PER_FRAME = TRIM_FRAME // TRIM_HOP


def trim_silence(waveform: tf.Tensor, top_db: float) -> tf.Tensor:
    """Trim leading and trailing silence.

    Frame t has 2,048 samples and its centre at sample 512 t, with zeros beyond the ends, at any
    sample rate. A frame is silent if its RMS is ``top_db`` or more below the RMS of the loudest
    frame.

    Args:
        waveform: float32 ``(samples,)``, of any length.
        top_db: threshold in dB, above 0.

    Returns:
        float32, the samples from the first frame that is not silent to the last. If all samples are
        0, the result is empty.

    Raises:
        InputError: if ``top_db`` is not above 0.

    Source: ``librosa.effects.trim`` with the same result, except that librosa raises RMS values
    below 1e-5 to 1e-5, and so leaves a silent waveform as it is.
    """
    if not top_db > 0:
        raise InputError(f"`top_db` must be above 0 dB. Received: {top_db!r}.")
    samples = tf.size(waveform)
    frame_count = 1 + samples // TRIM_HOP
    # Sum the squares of blocks first, because each block is part of four frames. Use float64, so
    # that rounding errors of a loud beginning do not affect later frames.
    padded = tf.pad(waveform, [[TRIM_FRAME // 2, TRIM_FRAME // 2]])
    block_count = frame_count + _BLOCKS_PER_FRAME - 1
    blocks = tf.reshape(padded[: block_count * TRIM_HOP], [-1, TRIM_HOP])
    block_energies = tf.reduce_sum(tf.square(tf.cast(blocks, tf.float64)), axis=1)
    frame_energies = tf.add_n(
        [block_energies[offset : offset + frame_count] for offset in range(_BLOCKS_PER_FRAME)]
    )
    loudest = tf.reduce_max(frame_energies)
    is_nonsilent = (frame_energies > loudest * 10.0 ** (-top_db / 10.0)) & (frame_energies > 0)
    nonsilent_frames = tf.cast(tf.where(is_nonsilent)[:, 0], tf.int32)
    return tf.cond(
        tf.size(nonsilent_frames) > 0,
        lambda: waveform[
            nonsilent_frames[0] * TRIM_HOP : tf.minimum(
                (nonsilent_frames[-1] + 1) * TRIM_HOP, samples
            )
        ],
        lambda: waveform[:0],
    )


def fit_length(waveform: tf.Tensor, spec: SpectrogramSpec) -> tf.Tensor:
    """Crop a longer waveform to its middle, or pad a shorter one with zeros at both ends.

    Args:
        waveform: float32 ``(samples,)``, of any length, at the spec's rate.
        spec: settings that give the length.

    Returns:
        float32 ``(spec.samples,)``.
    """
    start = tf.maximum(tf.size(waveform) - spec.samples, 0) // 2
    waveform = waveform[start : start + spec.samples]
    missing = spec.samples - tf.size(waveform)
    leading_zeros = missing // 2
    # tf.concat is several times as fast as tf.pad.
    waveform = tf.concat(
        [tf.zeros([leading_zeros]), waveform, tf.zeros([missing - leading_zeros])], axis=0
    )
    return tf.ensure_shape(waveform, [spec.samples])


MIN_OVERLAP = 0.5
"""Minimum overlap of neighbouring segments, as a fraction of a segment."""
MAX_CROPPED = 1.1
"""Recordings of at most so many segments are cropped to one. Two would have almost the same
samples, and take twice the time."""


def split_into_segments(waveform: tf.Tensor, length: int) -> tf.Tensor:
    """Split a waveform into segments of a length that overlap by half or more.

    The segments are spread evenly from the first sample to the last, so that they need no padding.
    A waveform that is not longer than a segment is one segment, as it is.

    Args:
        waveform: float32 ``(samples,)``, of any length.
        length: number of samples of a segment.

    Returns:
        float32 ``(segments, min(samples, length))``.
    """
    surplus = tf.maximum(tf.size(waveform) - length, 0)
    max_hop = max(1, int(length * (1 - MIN_OVERLAP)))
    segment_count = 1 + -(-surplus // max_hop)
    # int64, because the product exceeds int32 for long recordings.
    segment_indices = tf.range(segment_count, dtype=tf.int64)
    intervals = tf.cast(tf.maximum(segment_count - 1, 1), tf.int64)
    starts = tf.cast(segment_indices * tf.cast(surplus, tf.int64) // intervals, tf.int32)
    return tf.map_fn(
        lambda start: waveform[start : start + length], starts, fn_output_signature=tf.float32
    )


# Samples at the spec's rate that resampling may change at each end of a cropped waveform.
_MARGIN = 2048
# Longer recordings are cropped. The limit bounds the memory, also if a header declares far too low
# a rate and resampling would lengthen the waveform.
_MAX_SECONDS = 600
_CROPPED_NOTE = (
    f"longer than {_MAX_SECONDS // 60} minutes, of which the middle {_MAX_SECONDS // 60} are used"
)

_SILENT_NOTE = "silent: all samples are 0"


class LoadedRecording(NamedTuple):
    """A loaded recording, usable as a tensor structure in ``Dataset.map`` and in graphs.

    Attributes:
        waveform: float32 ``(spec.samples,)``, or ``(segments, spec.samples)``; silence if the
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
) -> LoadedRecording:
    """Load a recording as a waveform of the spec's rate and length.

    Args:
        data: scalar string, the whole file.
        spec: settings that give rate and length. Longer recordings are cropped to their middle,
            shorter recordings are padded with zeros at both ends. If ``spec.trim_db`` is set,
            leading and trailing silence is trimmed before cropping; only the middle ten minutes are
            then considered.
        decode: function that decodes the bytes. The default reads WAV only, with TensorFlow ops, so
            that the graph can be exported.

    Returns:
        A :class:`LoadedRecording` with a waveform ``(spec.samples,)``. An invalid file raises no
        error; its ``status`` describes the problem.
    """
    decoded = decode(data)
    needed_seconds = (spec.samples + 2 * _MARGIN) / spec.sample_rate
    if spec.trim_db:
        # Trim before cropping to the needed length: after cropping, a trimmed waveform would be too
        # short.
        waveform = _crop_resample_trim(
            decoded, spec.sample_rate, spec.trim_db, max(needed_seconds, _MAX_SECONDS)
        )
    else:
        # Crop before resampling, to save time on long recordings. A recording that is already at
        # the spec's rate is cropped only once, by fit_length.
        waveform = tf.cond(
            tf.equal(decoded.sample_rate, spec.sample_rate),
            lambda: decoded.waveform,
            lambda: _crop_resample_trim(decoded, spec.sample_rate, None, needed_seconds),
        )
    return LoadedRecording(fit_length(waveform, spec), decoded.status, decoded.note)


def spectrogram(file: Path | str, spec: SpectrogramSpec | None = None) -> npt.NDArray[Any]:
    """Compute one spectrogram of a recording, as in training.

    Longer recordings are cropped to their middle, shorter ones are padded. (An exported model
    splits longer recordings into several spectrograms.) Warnings of the decoder are dropped.

    Args:
        file: a WAV, FLAC, MP3 or Ogg Vorbis file of any sample rate and length.
        spec: settings of the spectrogram; default: ``SpectrogramSpec()``.

    Returns:
        float32 ``(frames, bins, 1)`` in [-1, 1]: 1 is the clip's maximum, -1 is
        ``spec.range_db`` decibels or more below it. See
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
def load_segments(
    data: tf.Tensor, spec: SpectrogramSpec, decode: Callable[[tf.Tensor], Decoded] = decode_wav
) -> LoadedRecording:
    """Load a recording, or its middle ten minutes if it is longer, as overlapping segments.

    If the recording is longer, a note says so. For a recording that fits into one segment, this
    segment is the waveform that :func:`load_waveform` returns. A recording that is at most a tenth
    longer is one segment, too: its middle, as in training.

    Args:
        data: as for :func:`load_waveform`.
        spec: as for :func:`load_waveform`; the length is that of a segment.
        decode: as for :func:`load_waveform`.

    Returns:
        A :class:`LoadedRecording` with a waveform ``(segments, spec.samples)``.
    """
    loaded = load_whole(data, spec.sample_rate, spec.trim_db, decode)
    segments = tf.cond(
        tf.size(loaded.waveform) > int(MAX_CROPPED * spec.samples),
        lambda: not_inlined(split_into_segments)(loaded.waveform, spec.samples),
        lambda: fit_length(loaded.waveform, spec)[tf.newaxis],
    )
    return loaded._replace(waveform=tf.ensure_shape(segments, [None, spec.samples]))


@tf.autograph.experimental.do_not_convert
def load_whole(
    data: tf.Tensor,
    sample_rate: int,
    trim_db: float | None,
    decode: Callable[[tf.Tensor], Decoded] = decode_wav,
) -> LoadedRecording:
    """Load a recording, or its middle ten minutes if it is longer, at its own length.

    If the recording is longer, or silent, a note says so.

    Args:
        data: as for :func:`load_waveform`.
        sample_rate: sample rate of the waveform in Hz.
        trim_db: threshold for trimming silence at both ends, see :func:`trim_silence`; None for no
            trimming.
        decode: as for :func:`load_waveform`.

    Returns:
        A :class:`LoadedRecording` with a waveform ``(samples,)``, which is empty for silence if
        ``trim_db`` is given.
    """
    decoded = decode(data)
    waveform = _crop_resample_trim(decoded, sample_rate, trim_db, _MAX_SECONDS)
    seconds = tf.size(decoded.waveform) / decoded.sample_rate
    note = _join_notes(decoded.note, tf.where(seconds > _MAX_SECONDS, _CROPPED_NOTE, ""))
    has_sound = tf.reduce_any(tf.not_equal(decoded.waveform, 0.0))
    is_silent = tf.logical_and(tf.equal(decoded.status, ""), tf.logical_not(has_sound))
    note = _join_notes(note, tf.where(is_silent, _SILENT_NOTE, ""))
    return LoadedRecording(waveform, decoded.status, note)


def _join_notes(note: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    has_both = tf.logical_and(tf.not_equal(note, ""), tf.not_equal(other, ""))
    return tf.strings.join([note, tf.where(has_both, "; ", ""), other])


def _crop_resample_trim(
    decoded: Decoded, sample_rate: int, trim_db: float | None, seconds: float
) -> tf.Tensor:
    """Crop a recording to its middle, resample it, and trim it if required.

    Args:
        decoded: the recording.
        sample_rate: sample rate of the result in Hz.
        trim_db: threshold for trimming, or None.
        seconds: length of the middle to keep.
    """
    waveform, rate = decoded.waveform, decoded.sample_rate
    max_samples = tf.cast(tf.math.ceil(seconds * tf.cast(rate, tf.float64)), tf.int32)
    start = tf.maximum(tf.size(waveform) - max_samples, 0) // 2
    waveform = waveform[start : start + max_samples]
    waveform = resample(waveform, rate, sample_rate)
    return trim_silence(waveform, trim_db) if trim_db else waveform
