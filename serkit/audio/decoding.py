"""Decode the bytes of a WAV file in plain TensorFlow ops.

``tf.audio.decode_wav`` reads only 16-bit PCM, and TF Serving has no tensorflow-io. Therefore this
module parses the chunks itself. Layout: Microsoft's RIFF/WAVE specification (1991, 1994).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from serkit.audio.containers import MAX_MAGNITUDE


def not_inlined(function: Callable) -> Callable:
    """Turn the function of a seldom taken ``tf.cond`` branch into a call that is not inlined.

    TensorFlow lowers ``tf.cond`` to switches. It still visits every op of the branch that is not
    taken, to mark the op as dead. A call that is not inlined is one op. If the branch is taken, the
    call costs some microseconds. With such calls for the other kinds of WAV, decoding the usual
    kind took a quarter less time.

    Args:
        function: takes tensors. It may take other values, too, if they seldom change between calls.

    Returns:
        A ``tf.function`` for eager code and for graphs. It can be exported.
    """
    attributes = {"_noinline": True}
    # One trace for all lengths: a trace for each length would take longer than the computation.
    return tf.function(
        function, autograph=False, reduce_retracing=True, experimental_attributes=attributes
    )


_EXTENSIBLE = 0xFFFE
_PCM, _FLOAT = 1, 3
# Format code and bytes per sample of the decoded codecs, in the order of the branches of _samples.
_CODECS = ((_PCM, 1), (_PCM, 2), (_PCM, 3), (_PCM, 4), (_FLOAT, 4), (_FLOAT, 8))
_FIRST_FLOAT_BRANCH = 4
# The same limit as in the audit. Without it, files of many tiny chunks would take minutes.
_MAX_CHUNKS = 1000
_NOTE = "the header does not give the right length; what is there was read"
_PROBLEMS = (
    "",
    "not a WAV file: no RIFF header",
    "not a WAV file: no WAVE header",
    "WAV file without a fmt chunk",
    "WAV file without a data chunk",
    "WAV header without a usable channel count",
    "WAV header without a usable rate",
    "WAV codec other than PCM of 8 to 32 bits and float of 32 or 64",
    "WAV file without samples",
    "WAV file with samples that are not finite, or far above full scale",
)


def _id(name: str) -> int:
    """Return a chunk's name as the int32 value that :func:`_words` reads for it."""
    return int.from_bytes(name.encode(), "little")


_FMT, _DATA = _id("fmt "), _id("data")
_MAX_INT32 = 2**31 - 1
_ANY = (-_MAX_INT32 - 1, _MAX_INT32)
# Lowest and highest values of the 32-bit words of a mono file of 16-bit PCM. First come the eleven
# words from its beginning; any value is valid for the length of the file, the bytes per second and
# the name of the chunk after fmt. Then come the name of the data chunk, the number of bytes in its
# header, and the number of bytes after it.
_USUAL_RANGES = np.array(
    [
        (_id("RIFF"), _id("RIFF")),
        _ANY,
        (_id("WAVE"), _id("WAVE")),
        (_FMT, _FMT),
        (16, 16),
        (0x1_0001, 0x1_0001),
        (1000, 1_000_000),
        _ANY,
        (16 << 16, (17 << 16) - 1),
        _ANY,
        (0, _MAX_INT32),
        (_DATA, _DATA),
        (2, _MAX_INT32),
        (0, _MAX_INT32),
    ],
    np.int32,
)


class Decoded(NamedTuple):
    """A decoded audio file, usable as a tensor structure in ``Dataset.map`` and in graphs.

    Attributes:
        waveform: float32 ``(samples,)`` in [-1, 1] (float files may exceed it); empty if the
            file cannot be used.
        sample_rate: int32 scalar, Hz; 1 if the file cannot be used.
        status: scalar string; empty if the file can be used, else a description of the problem.
        note: scalar string; empty, or a warning about a file that can be used.
    """

    waveform: tf.Tensor
    sample_rate: tf.Tensor
    status: tf.Tensor
    note: tf.Tensor


def decode_wav(data: tf.Tensor) -> Decoded:
    """Decode one WAV file.

    Invalid contents never raise an error, so that one bad file cannot fail a batch.

    The function reads PCM of up to 32 bits and float of 32 and 64 bits, plain or
    WAVE_FORMAT_EXTENSIBLE. It returns the mean of the channels. It skips other chunks, and reads up
    to a thousand chunks. If the length of the data chunk in the header is 0 or exceeds the file,
    the function reads all samples up to the end of the file and adds a note.

    Args:
        data: scalar string, the whole file.

    Returns:
        A :class:`Decoded`.
    """
    data = tf.convert_to_tensor(data, tf.string)
    file_size = tf.strings.length(data, unit="BYTE")
    words = tf.unstack(tf.io.decode_raw(tf.strings.substr(data, 0, 44), tf.int32, fixed_length=44))
    sample_rate, chunk_name, chunk_length = words[6], words[9], words[10]
    # ffmpeg writes one chunk between the fmt chunk and the data chunk.
    skipped_bytes = tf.clip_by_value(
        8 + chunk_length + (chunk_length & 1), 0, tf.maximum(file_size - 44, 0)
    )
    data_start = 44 + tf.where(chunk_name == _DATA, 0, skipped_bytes)
    data_name, declared_length = tf.unstack(_words(data, file_size, data_start - 8, 2))
    checked_words = tf.stack(
        [*words, data_name, declared_length, file_size - data_start - declared_length]
    )
    is_usual = tf.reduce_all(
        (checked_words >= _USUAL_RANGES[:, 0]) & (checked_words <= _USUAL_RANGES[:, 1])
    )
    # Nearly all files are of the usual kind. The general decoder takes several times as long.
    return tf.cond(
        is_usual & (chunk_name != _FMT),
        lambda: _decode_usual(data, data_start, declared_length, sample_rate),
        lambda: Decoded(*_decode_any_wav(data, file_size)),
    )


def _decode_usual(
    data: tf.Tensor, data_start: tf.Tensor, data_length: tf.Tensor, rate: tf.Tensor
) -> Decoded:
    waveform = _pcm16(tf.strings.substr(data, data_start, data_length & ~1))
    return Decoded(waveform, rate, tf.constant(""), tf.constant(""))


@not_inlined
def _decode_any_wav(data: tf.Tensor, file_size: tf.Tensor) -> Decoded:
    fmt_start, data_start, declared_length = _walk_chunks(data, file_size)
    header = _words(data, file_size, tf.maximum(fmt_start, 0), 7)
    codec, channels = header[0] & 0xFFFF, _upper_half(header[0])
    codec = tf.where(codec == _EXTENSIBLE, header[6] & 0xFFFF, codec)
    sample_rate = header[1]
    # Samples of 12 or 20 bits are left-justified in whole bytes, so they read like 16 or 24 bits.
    sample_bytes = (_upper_half(header[3]) + 7) // 8
    branch = _branch_index(codec, sample_bytes)
    frame_bytes = tf.maximum(channels * sample_bytes, 1)
    length, is_length_wrong = _data_length(data, file_size, data_start, declared_length)
    length = length // frame_bytes * frame_bytes
    riff_words = _words(data, file_size, tf.constant(0), 3)
    checks = [
        (riff_words[0] != _id("RIFF")),
        (riff_words[2] != _id("WAVE")),
        (fmt_start < 0),
        (data_start < 0),
        (channels < 1) | (channels > 1024),
        (sample_rate < 1000) | (sample_rate > 1_000_000),
        (branch < 0),
        (length < frame_bytes),
    ]
    # Index of the first failed check, from 1; 0 if no check failed.
    failures = tf.stack([False, *checks])
    problem = tf.argmax(failures, output_type=tf.int32)
    is_usable = problem == 0
    zero = tf.zeros([], tf.int32)
    payload = tf.strings.substr(
        data, tf.where(is_usable, data_start, 0), tf.where(is_usable, length, 0)
    )
    samples = _samples(payload, tf.where(is_usable, branch, 0))
    waveform = _mix_to_mono(samples, tf.where(is_usable, channels, 1))
    is_sound = tf.cond(
        branch < _FIRST_FLOAT_BRANCH,
        lambda: tf.constant(True),
        # NaN is not less than anything.
        lambda: tf.reduce_all(tf.abs(waveform) <= MAX_MAGNITUDE),
    )
    problem = tf.where(is_usable & ~is_sound, len(_PROBLEMS) - 1, problem)
    is_decoded = problem == 0
    waveform = tf.cond(is_decoded, lambda: waveform, lambda: waveform[:0])
    return Decoded(
        waveform,
        tf.where(is_decoded, sample_rate, 1),
        tf.gather(tf.constant(_PROBLEMS), problem),
        tf.gather(tf.constant(("", _NOTE)), tf.where(is_decoded & is_length_wrong, 1, zero)),
    )


def _walk_chunks(data: tf.Tensor, file_size: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Find the fmt chunk and the data chunk.

    Returns:
        Positions of the fmt body and of the data body (-1 if there is no such chunk), and the
        length of the data body by its header, in bytes.
    """
    not_found = tf.constant(-1)

    def should_continue(position, fmt_start, data_start, declared_length):
        return (data_start < 0) & (position + 8 <= file_size)

    def step(position, fmt_start, data_start, declared_length):
        words = _words(data, file_size, position, 2)
        body_start = position + 8
        is_data = words[0] == _DATA
        fmt_start = tf.where(words[0] == _FMT, body_start, fmt_start)
        data_start = tf.where(is_data, body_start, data_start)
        declared_length = tf.where(is_data, words[1], declared_length)
        # Unsigned lengths of 2 GiB and more are negative as int32. They all exceed the file.
        exceeds_file = (words[1] < 0) | (words[1] > file_size - body_start)
        next_position = tf.where(exceeds_file, file_size, body_start + words[1] + (words[1] & 1))
        return next_position, fmt_start, data_start, declared_length

    loop_variables = (tf.constant(12), not_found, not_found, tf.constant(0))
    _, fmt_start, data_start, declared_length = tf.while_loop(
        should_continue, step, loop_variables, maximum_iterations=_MAX_CHUNKS
    )
    return fmt_start, data_start, declared_length


def _data_length(
    data: tf.Tensor, file_size: tf.Tensor, data_start: tf.Tensor, declared_length: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the number of bytes in the data chunk, and whether the header's length is wrong."""
    available = tf.maximum(file_size - data_start, 0)
    exceeds_file = (declared_length < 0) | (declared_length > available)
    # A length of 0 means that a streaming writer did not set it, unless another chunk follows.
    next_words = _words(data, file_size, tf.maximum(data_start, 0), 2)
    is_chunk_next = (
        (next_words[1] >= 0) & (next_words[1] <= available - 8) & _is_name(next_words[0])
    )
    is_unset = (declared_length == 0) & (available > 0) & tf.logical_not(is_chunk_next)
    is_wrong = exceeds_file | is_unset
    return tf.where(is_wrong, available, declared_length), is_wrong


def _is_name(word: tf.Tensor) -> tf.Tensor:
    """Return whether the four bytes of a word are printable ASCII, as in chunk names."""
    characters = tf.bitwise.right_shift(word, tf.constant([0, 8, 16, 24])) & 0xFF
    return tf.reduce_all((characters >= 0x20) & (characters < 0x7F))


def _words(data: tf.Tensor, file_size: tf.Tensor, position: tf.Tensor, count: int) -> tf.Tensor:
    """Read little-endian int32 ``(count,)`` from ``position`` on, with zeros after the end."""
    content = tf.strings.substr(data, tf.minimum(position, file_size), 4 * count)
    return tf.io.decode_raw(content, tf.int32, fixed_length=4 * count)


def _upper_half(word: tf.Tensor) -> tf.Tensor:
    """Return the upper 16 bits as an unsigned number."""
    return tf.bitwise.right_shift(word, 16) & 0xFFFF


def _branch_index(codec: tf.Tensor, sample_bytes: tf.Tensor) -> tf.Tensor:
    """Return the index of the branch in :func:`_samples`, or -1 for an unsupported codec."""
    matches = tf.reduce_all(tf.constant(_CODECS) == tf.stack([codec, sample_bytes]), axis=1)
    return tf.where(tf.reduce_any(matches), tf.argmax(matches, output_type=tf.int32), -1)


def _samples(payload: tf.Tensor, branch: tf.Tensor) -> tf.Tensor:
    def decode_raw(dtype: tf.DType) -> tf.Tensor:
        return tf.cast(tf.io.decode_raw(payload, dtype), tf.float32)

    def pcm24() -> tf.Tensor:
        sample_parts = tf.cast(tf.reshape(tf.io.decode_raw(payload, tf.uint8), [-1, 3]), tf.int32)
        value = sample_parts[:, 0] + sample_parts[:, 1] * 256 + sample_parts[:, 2] * 65536
        return tf.cast(tf.where(value < 2**23, value, value - 2**24), tf.float32)

    return tf.switch_case(
        branch,
        [
            lambda: decode_raw(tf.uint8) * 2.0**-7 - 1.0,
            lambda: _pcm16(payload),
            lambda: pcm24() * 2.0**-23,
            lambda: decode_raw(tf.int32) * 2.0**-31,
            lambda: decode_raw(tf.float32),
            lambda: decode_raw(tf.float64),
        ],
    )


def _pcm16(payload: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.io.decode_raw(payload, tf.int16), tf.float32) * 2.0**-15


def _mix_to_mono(samples: tf.Tensor, channels: tf.Tensor) -> tf.Tensor:
    """Compute the mean over the channels of interleaved samples."""
    return tf.cond(
        channels == 1,
        lambda: samples,
        lambda: tf.reduce_mean(tf.reshape(samples, [-1, channels]), axis=1),
    )
