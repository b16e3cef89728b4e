"""The signatures of an exported model, as functions of TensorFlow's own ops."""

from collections.abc import Callable

import tensorflow as tf

from serkit.audio.decoding import Decoded, decode_wav
from serkit.audio.loading import Loaded, load_waveform, load_windows
from serkit.audio.spectrogram import SpectrogramSpec, to_spectrogram
from serkit.serving import signatures
from serkit.serving.answering import MOST_SAMPLES, Answering, in_turn

_NOT_FINITE = "values that are not finite"
_EMPTY = "a waveform without samples"


def sign(answering: Answering) -> dict[str, tf.types.experimental.PolymorphicFunction]:
    """Each signature's function by its name, see :mod:`serkit.serving.signatures`.

    Recordings longer than the spec's length are heard in overlapping windows, whose logits are
    averaged, sample by sample (of more than ten minutes, the middle ten).
    """
    spec, usual = answering.spec, answering.settings.samples
    default = tf.constant(usual)
    waves = tf.TensorSpec([None, None], tf.float32, name=signatures.WAVEFORM)
    pictures = tf.TensorSpec([None, *spec.shape], tf.float32, name=signatures.SPECTROGRAM)
    files = tf.TensorSpec([None], tf.string, name=signatures.WAV_BYTES)
    number = tf.TensorSpec([None], tf.int32, name=signatures.SAMPLES)
    anything = tf.TensorSpec([None], tf.int32, name=signatures.ANY)

    # An argument's name is what a signature calls its input.
    def of_files(wav_bytes):
        return _of_recordings(answering, wav_bytes, default, decode_wav)

    def of_waveforms(waveform):
        return _of_recordings(answering, waveform, default, lambda wave: _as_it_is(wave, spec))

    def of_spectrograms(spectrogram):
        finite = tf.reduce_all(tf.math.is_finite(spectrogram), axis=[1, 2, 3])
        pictures = _or_zeros(finite, spectrogram)
        logits = in_turn(lambda some: answering.logits(some, default), pictures)
        status = tf.where(finite, "", _NOT_FINITE)
        return answering.answer(logits, status, tf.zeros_like(status))

    def of_files_sampled(wav_bytes, samples=tf.constant([usual])):  # noqa: B008 - a constant
        most = tf.clip_by_value(tf.reduce_max(samples), 1, MOST_SAMPLES)
        return _of_recordings(answering, wav_bytes, most, decode_wav)

    def features(wav_bytes):
        return _features(wav_bytes, spec)

    def classes(any):
        return {"classes": tf.tile([answering.classes], [tf.size(any), 1])}

    made = {
        signatures.WAV: (of_files, [files]),
        signatures.WAVEFORM: (of_waveforms, [waves]),
        signatures.SPECTROGRAM: (of_spectrograms, [pictures]),
        signatures.FEATURES: (features, [files]),
        signatures.CLASSES: (classes, [anything]),
    }
    if answering.draws:
        made[signatures.SAMPLED] = (of_files_sampled, [files, number])
    return {name: tf.function(work, signature) for name, (work, signature) in made.items()}


def _of_recordings(
    answering: Answering,
    recordings: tf.Tensor,
    samples: tf.Tensor,
    decode: Callable[[tf.Tensor], Decoded],
) -> dict[str, tf.Tensor]:
    spec, text = answering.spec, tf.TensorSpec([], tf.string)
    ragged = tf.RaggedTensorSpec([None, spec.samples], tf.float32, ragged_rank=0)
    loaded = tf.map_fn(
        lambda data: load_windows(data, spec, decode),
        recordings,
        fn_output_signature=Loaded(ragged, text, text),
    )
    heard = loaded.waveform
    logits = in_turn(
        lambda some: answering.logits(to_spectrogram(some, spec), samples), heard.values
    )
    together = tf.math.segment_mean(logits, heard.value_rowids())
    return answering.answer(together, loaded.status, loaded.note)


def _features(wav_bytes: tf.Tensor, spec: SpectrogramSpec) -> dict[str, tf.Tensor]:
    text = tf.TensorSpec([], tf.string)
    loaded = tf.map_fn(
        lambda data: load_waveform(data, spec),
        wav_bytes,
        fn_output_signature=Loaded(tf.TensorSpec([spec.samples], tf.float32), text, text),
    )
    pictures = in_turn(lambda some: to_spectrogram(some, spec), loaded.waveform)
    pictures = tf.ensure_shape(pictures, [None, *spec.shape])
    return {signatures.SPECTROGRAM: pictures, signatures.STATUS: loaded.status}


def _as_it_is(waveform: tf.Tensor, spec: SpectrogramSpec) -> Decoded:
    """A waveform that needs no decoding, but for a look at its values."""
    finite = tf.reduce_all(tf.math.is_finite(waveform))
    status = tf.where(finite, tf.where(tf.size(waveform) > 0, "", _EMPTY), _NOT_FINITE)
    rate = tf.constant(spec.sample_rate)
    return Decoded(tf.where(finite, waveform, 0.0), rate, status, tf.constant(""))


def _or_zeros(keep: tf.Tensor, pictures: tf.Tensor) -> tf.Tensor:
    return tf.where(keep[:, tf.newaxis, tf.newaxis, tf.newaxis], pictures, 0.0)
