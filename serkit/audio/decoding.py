"""Decode the bytes of a WAV file in plain TensorFlow ops.

``tf.audio.decode_wav`` reads only 16-bit PCM, and TF Serving has no tensorflow-io. Therefore this
module parses the chunks itself. Layout: Microsoft's RIFF/WAVE specification (1991, 1994).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf


def rare(function: Callable) -> Callable:
    """Turn a function into a ``tf.function`` that is not inlined, for a rare branch of ``tf.cond``.

    TensorFlow lowers ``tf.cond`` to switches. It still visits every op of the branch that is not
    taken, to mark the op as dead. A call that is not inlined is one op. If the branch is taken, the
    call costs some microseconds. With calls for the rare kinds of WAV, decoding the usual kind took
    a quarter less time.

    Args:
        function: takes tensors. It may take other values, too, if they seldom change between calls.

    Returns:
        The wrapped function, for eager code and for graphs. It can be exported.
    """
    apart = {"_noinline": True}
    # One trace for all lengths: a trace for each length would take longer than the computation.
    return tf.function(
        function, autograph=False, reduce_retracing=True, experimental_attributes=apart
    )


_EXTENSIBLE = 0xFFFE
_PCM, _FLOAT = 1, 3
# Format code and bytes per sample of the decoded kinds, in the order of the branches of _samples.
_KINDS = ((_PCM, 1), (_PCM, 2), (_PCM, 3), (_PCM, 4), (_FLOAT, 4), (_FLOAT, 8))
_FIRST_FLOAT = 4
# The same limit as in the audit. Without it, files of many tiny chunks would take minutes.
_MOST_CHUNKS = 1000
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
    "WAV file with samples that are not finite",
)


def _id(name: str) -> int:
    """Return a chunk's name as the int32 value that :func:`_words` reads for it."""
    return int.from_bytes(name.encode(), "little")


_FMT, _DATA = _id("fmt "), _id("data")
_MOST = 2**31 - 1
_ANY = (-_MOST - 1, _MOST)
# Lowest and highest values of the 32-bit words of a mono file of 16-bit PCM. First come the eleven
# words from its beginning; any value is valid for the length of the file, the bytes per second and
# the name of the chunk after fmt. Then come the name of the data chunk, the number of bytes in its
# header, and the number of bytes after it.
_USUAL = np.array(
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
        (0, _MOST),
        (_DATA, _DATA),
        (2, _MOST),
        (0, _MOST),
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
    size = tf.strings.length(data, unit="BYTE")
    words = tf.unstack(tf.io.decode_raw(tf.strings.substr(data, 0, 44), tf.int32, fixed_length=44))
    rate, name, length = words[6], words[9], words[10]
    # ffmpeg writes one chunk between the fmt chunk and the data chunk.
    between = tf.clip_by_value(8 + length + (length & 1), 0, tf.maximum(size - 44, 0))
    start = 44 + tf.where(name == _DATA, 0, between)
    here, claimed = tf.unstack(_words(data, size, start - 8, 2))
    looked_at = tf.stack([*words, here, claimed, size - start - claimed])
    usual = tf.reduce_all((looked_at >= _USUAL[:, 0]) & (looked_at <= _USUAL[:, 1]))
    # Nearly all files are of the usual kind. The general decoder takes several times as long.
    return tf.cond(
        usual & (name != _FMT),
        lambda: _decode_usual(data, start, claimed, rate),
        lambda: Decoded(*_decode_any_wav(data, size)),
    )


def _decode_usual(data: tf.Tensor, start: tf.Tensor, length: tf.Tensor, rate: tf.Tensor) -> Decoded:
    waveform = _pcm16(tf.strings.substr(data, start, length & ~1))
    return Decoded(waveform, rate, tf.constant(""), tf.constant(""))


@rare
def _decode_any_wav(data: tf.Tensor, size: tf.Tensor) -> Decoded:
    fmt, start, claimed = _walk_chunks(data, size)
    header = _words(data, size, tf.maximum(fmt, 0), 7)
    code, channels = header[0] & 0xFFFF, _high(header[0])
    code = tf.where(code == _EXTENSIBLE, header[6] & 0xFFFF, code)
    sample_rate = header[1]
    # Samples of 12 or 20 bits are left-justified in whole bytes, so they read like 16 or 24 bits.
    width = (_high(header[3]) + 7) // 8
    kind = _kind(code, width)
    frame = tf.maximum(channels * width, 1)
    length, wrong = _data_length(data, size, start, claimed)
    length = length // frame * frame
    first = _words(data, size, tf.constant(0), 3)
    checks = [
        (first[0] != _id("RIFF")),
        (first[2] != _id("WAVE")),
        (fmt < 0),
        (start < 0),
        (channels < 1) | (channels > 1024),
        (sample_rate < 1000) | (sample_rate > 1_000_000),
        (kind < 0),
        (length < frame),
    ]
    # Index of the first failed check, from 1; 0 if no check failed.
    failed = tf.stack([False, *checks])
    problem = tf.argmax(failed, output_type=tf.int32)
    usable = problem == 0
    zero = tf.zeros([], tf.int32)
    payload = tf.strings.substr(data, tf.where(usable, start, 0), tf.where(usable, length, 0))
    samples = _samples(payload, tf.where(usable, kind, 0))
    waveform = _mix(samples, tf.where(usable, channels, 1))
    finite = tf.cond(
        kind < _FIRST_FLOAT,
        lambda: tf.constant(True),
        lambda: tf.reduce_all(tf.math.is_finite(waveform)),
    )
    problem = tf.where(usable & ~finite, len(_PROBLEMS) - 1, problem)
    good = problem == 0
    waveform = tf.cond(good, lambda: waveform, lambda: waveform[:0])
    return Decoded(
        waveform,
        tf.where(good, sample_rate, 1),
        tf.gather(tf.constant(_PROBLEMS), problem),
        tf.gather(tf.constant(("", _NOTE)), tf.where(good & wrong, 1, zero)),
    )


def _walk_chunks(data: tf.Tensor, size: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Find the fmt chunk and the data chunk.

    Returns:
        Positions of the fmt body and of the data body (-1 if there is no such chunk), and the
        length of the data body by its header, in bytes.
    """
    none = tf.constant(-1)

    def more(position, fmt, start, claimed):
        return (start < 0) & (position + 8 <= size)

    def step(position, fmt, start, claimed):
        words = _words(data, size, position, 2)
        body = position + 8
        is_data = words[0] == _DATA
        fmt = tf.where(words[0] == _FMT, body, fmt)
        start = tf.where(is_data, body, start)
        claimed = tf.where(is_data, words[1], claimed)
        # Unsigned lengths of 2 GiB and more are negative as int32. They all exceed the file.
        past = (words[1] < 0) | (words[1] > size - body)
        following = tf.where(past, size, body + words[1] + (words[1] & 1))
        return following, fmt, start, claimed

    loop = (tf.constant(12), none, none, tf.constant(0))
    _, fmt, start, claimed = tf.while_loop(more, step, loop, maximum_iterations=_MOST_CHUNKS)
    return fmt, start, claimed


def _data_length(
    data: tf.Tensor, size: tf.Tensor, start: tf.Tensor, claimed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the number of bytes in the data chunk, and whether the header's length is wrong."""
    there = tf.maximum(size - start, 0)
    past = (claimed < 0) | (claimed > there)
    # A length of 0 means that a streaming writer did not set it, unless another chunk follows.
    behind = _words(data, size, tf.maximum(start, 0), 2)
    chunk = (behind[1] >= 0) & (behind[1] <= there - 8) & _is_name(behind[0])
    unknown = (claimed == 0) & (there > 0) & tf.logical_not(chunk)
    wrong = past | unknown
    return tf.where(wrong, there, claimed), wrong


def _is_name(word: tf.Tensor) -> tf.Tensor:
    """Return whether the four bytes of a word are printable ASCII, as in chunk names."""
    parts = tf.bitwise.right_shift(word, tf.constant([0, 8, 16, 24])) & 0xFF
    return tf.reduce_all((parts >= 0x20) & (parts < 0x7F))


def _words(data: tf.Tensor, size: tf.Tensor, position: tf.Tensor, count: int) -> tf.Tensor:
    """Read little-endian int32 ``(count,)`` from ``position`` on, with zeros after the end."""
    piece = tf.strings.substr(data, tf.minimum(position, size), 4 * count)
    return tf.io.decode_raw(piece, tf.int32, fixed_length=4 * count)


def _high(word: tf.Tensor) -> tf.Tensor:
    """Return the upper 16 bits as an unsigned number."""
    return tf.bitwise.right_shift(word, 16) & 0xFFFF


def _kind(code: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """Return the index of the branch in :func:`_samples`, or -1 for an unsupported codec."""
    matches = tf.reduce_all(tf.constant(_KINDS) == tf.stack([code, width]), axis=1)
    return tf.where(tf.reduce_any(matches), tf.argmax(matches, output_type=tf.int32), -1)


def _samples(payload: tf.Tensor, kind: tf.Tensor) -> tf.Tensor:
    def raw(dtype: tf.DType) -> tf.Tensor:
        return tf.cast(tf.io.decode_raw(payload, dtype), tf.float32)

    def pcm24() -> tf.Tensor:
        parts = tf.cast(tf.reshape(tf.io.decode_raw(payload, tf.uint8), [-1, 3]), tf.int32)
        value = parts[:, 0] + parts[:, 1] * 256 + parts[:, 2] * 65536
        return tf.cast(tf.where(value < 2**23, value, value - 2**24), tf.float32)

    return tf.switch_case(
        kind,
        [
            lambda: raw(tf.uint8) * 2.0**-7 - 1.0,
            lambda: _pcm16(payload),
            lambda: pcm24() * 2.0**-23,
            lambda: raw(tf.int32) * 2.0**-31,
            lambda: raw(tf.float32),
            lambda: raw(tf.float64),
        ],
    )


def _pcm16(payload: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.io.decode_raw(payload, tf.int16), tf.float32) * 2.0**-15


def _mix(samples: tf.Tensor, channels: tf.Tensor) -> tf.Tensor:
    """Compute the mean over the channels of interleaved samples."""
    return tf.cond(
        channels == 1,
        lambda: samples,
        lambda: tf.reduce_mean(tf.reshape(samples, [-1, channels]), axis=1),
    )
