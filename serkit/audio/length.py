"""Recordings of any length to waveforms of one length: trim, cut, pad, or take several windows."""

import tensorflow as tf

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
