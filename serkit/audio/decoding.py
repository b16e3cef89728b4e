"""Bytes of a WAV file to a mono waveform, in plain TensorFlow ops.

``tf.audio.decode_wav`` takes 16-bit PCM only, and tensorflow-io does not exist in TF Serving, so
the chunks are walked here. Layout: Microsoft's RIFF/WAVE specification (1991, 1994).
"""

import tensorflow as tf

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
# Keeps reads of a header that ends early inside the string; none of it is ever decoded.
_GUARD = b"\0" * 64


def decode_wav(data: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Decode one WAV file; never raises, so that one bad file cannot fail a batch.

    PCM of up to 32 bits and float of 32 and 64 bits are read, plain or
    WAVE_FORMAT_EXTENSIBLE, with any number of channels (their mean is taken) and any other chunks
    around. A data chunk that claims more than the file holds is read to the file's end.

    Args:
        data: scalar string, the whole file.

    Returns:
        ``(waveform, sample_rate, status)``: float32 ``(samples,)`` in [-1, 1] (float files may
        exceed it), int32 scalar in Hz, and a scalar string that is empty when all is well and
        else says what is wrong; then ``waveform`` is empty and ``sample_rate`` is 1.
    """
    size = tf.strings.length(data)
    guarded = tf.strings.join([data, _GUARD])
    fmt, start, length = _walk_chunks(guarded, size)
    header = _bytes(guarded, tf.maximum(fmt, 0), 40)
    code = _unsigned(header, 0, 2)
    code = tf.where(code == _EXTENSIBLE, _unsigned(header, 24, 2), code)
    channels = _unsigned(header, 2, 2)
    sample_rate = _unsigned(header, 4, 4)
    # Samples of 12 or 20 bits fill whole bytes, left-justified: they are read like 16 and 24.
    bits = (_unsigned(header, 14, 2) + 7) // 8 * 8
    kind = _kind(code, bits)
    frame = tf.maximum(channels * bits // 8, 1)
    length = length // frame * frame
    status = _first_problem(
        (tf.strings.substr(guarded, 0, 4) != b"RIFF", "not a WAV file: no RIFF header"),
        (tf.strings.substr(guarded, 8, 4) != b"WAVE", "not a WAV file: no WAVE header"),
        (fmt < 0, "WAV file without a fmt chunk"),
        (start < 0, "WAV file without a data chunk"),
        ((channels < 1) | (channels > 1024), "WAV header without a usable channel count"),
        ((sample_rate < 1000) | (sample_rate > 1_000_000), "WAV header without a usable rate"),
        (kind < 0, "WAV codec other than PCM of 8 to 32 bits and float of 32 or 64"),
        (length < frame, "WAV file without samples"),
    )
    usable = status == b""
    payload = tf.strings.substr(
        guarded,
        tf.cast(tf.where(usable, start, 0), tf.int32),
        tf.cast(tf.where(usable, length, 0), tf.int32),
    )
    samples = _samples(payload, tf.where(usable, kind, 0))
    channels = tf.where(usable, channels, 1)
    waveform = tf.reduce_mean(tf.reshape(samples, [-1, channels]), axis=1)
    finite = tf.reduce_all(tf.math.is_finite(waveform))
    status = tf.where(usable & ~finite, "WAV file with samples that are not finite", status)
    waveform = tf.cond(finite, lambda: waveform, lambda: waveform[:0])
    sample_rate = tf.where(status == b"", sample_rate, 1)
    return waveform, tf.cast(sample_rate, tf.int32), status


def _walk_chunks(data: tf.Tensor, size: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Where the fmt body and the data body start (-1: nowhere), and the data body's length."""
    end = tf.cast(size, tf.int64)
    none = tf.constant(-1, tf.int64)

    def more(position, fmt, start, length):
        return (start < 0) & (position + 8 <= end)

    def step(position, fmt, start, length):
        name = tf.strings.substr(data, tf.cast(position, tf.int32), 4)
        claimed = _unsigned(_bytes(data, position + 4, 4), 0, 4)
        body = position + 8
        is_data = name == b"data"
        fmt = tf.where(name == b"fmt ", body, fmt)
        start = tf.where(is_data, body, start)
        length = tf.where(is_data, tf.minimum(claimed, end - body), length)
        return body + claimed + claimed % 2, fmt, start, length

    first = tf.constant(12, tf.int64)
    _, fmt, start, length = tf.while_loop(more, step, [first, none, none, tf.zeros([], tf.int64)])
    return fmt, start, length


def _bytes(data: tf.Tensor, position: tf.Tensor, count: int) -> tf.Tensor:
    piece = tf.strings.substr(data, tf.cast(position, tf.int32), count)
    return tf.cast(tf.io.decode_raw(piece, tf.uint8), tf.int64)


def _unsigned(values: tf.Tensor, position: int, count: int) -> tf.Tensor:
    """Little-endian unsigned integer out of a vector of bytes."""
    weights = tf.constant([256**power for power in range(count)], tf.int64)
    return tf.reduce_sum(values[position : position + count] * weights)


def _kind(code: tf.Tensor, bits: tf.Tensor) -> tf.Tensor:
    """Index into :func:`_samples`' branches, -1 for a codec that is not read."""
    known = [(_PCM, 8), (_PCM, 16), (_PCM, 24), (_PCM, 32), (_FLOAT, 32), (_FLOAT, 64)]
    kind = tf.constant(-1, tf.int32)
    for number, (known_code, known_bits) in enumerate(known):
        kind = tf.where((code == known_code) & (bits == known_bits), number, kind)
    return kind


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
            lambda: raw(tf.uint8) / 2.0**7 - 1.0,
            lambda: raw(tf.int16) / 2.0**15,
            lambda: pcm24() / 2.0**23,
            lambda: raw(tf.int32) / 2.0**31,
            lambda: raw(tf.float32),
            lambda: raw(tf.float64),
        ],
    )


def _first_problem(*checks: tuple[tf.Tensor, str]) -> tf.Tensor:
    status = tf.constant("")
    for failed, message in reversed(checks):
        status = tf.where(failed, message, status)
    return status
