"""Export a classifier as a SavedModel that takes the bytes of WAV files."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

import serkit
from serkit.audio.containers import MAX_MAGNITUDE, to_wav
from serkit.audio.decoding import Decoded, decode_wav
from serkit.audio.loading import LoadedRecording, load_segments, load_waveform
from serkit.audio.spectrogram import SpectrogramSpec, to_spectrogram
from serkit.export import signatures
from serkit.export.exportable_model import (
    BATCH_SIZE,
    MAX_SAMPLES,
    ExportableModel,
    map_in_batches,
)
from serkit.export.model_card import model_card
from serkit.export.versions import DETAILS_FILE, version_for
from serkit.files import replacing, write_json, write_text
from serkit.models.speech_features import SpeechFeatures

WARM_UP_FILE = "assets.extra/tf_serving_warmup_requests"
"""File of warm-up requests that TF Serving reads: a TFRecord of at most 1,000 ``PredictionLog``."""
_CARD, _LABELS = "assets.extra/model-card.md", "assets.extra/labels.txt"
_NOT_FINITE = "values that are not finite"
_EMPTY = "a waveform without samples"
# Sample rates and channel counts of warm-up files, and sizes of warm-up batches. Each pair of rate
# and channel count uses other branches of the graph.
_WAV_FORMATS = ((16_000, 1), (48_000, 1), (44_100, 2))
_BATCH_SIZES = (1, 8)


def export_model(
    model: ExportableModel, out: Path | str, details: Mapping[str, Any] | None = None
) -> Path:
    """Export a version of a model for TF Serving.

    :mod:`serkit.export.signatures` describes the inputs and outputs. The graph consists of
    TensorFlow's built-in ops. Its preprocessing functions are the ones that training uses. The
    folder ``assets.extra`` holds the labels, ``serkit.json`` with the spec and the known details of
    the model, a model card of these details, and warm-up requests.

    Args:
        model: model to export.
        out: ``NAME/3``, or ``NAME`` for the next version.
        details: known details of the model, see :func:`serkit.export.model_card.model_card`.

    Returns:
        The folder of the version.

    Raises:
        InputError: if the version exists. An existing version is never overwritten.

    Example:
        .. code-block:: python

            network = keras.models.load_model("classifier.keras")
            spec = serkit.SpectrogramSpec()
            model = serkit.ExportableModel([network], spec, ("happy", "sad"))
            version = serkit.export_model(model, "saved_models/mine")
            exported = serkit.load_model(version)
    """
    version = version_for(Path(out))
    all_details = {
        "serkit": serkit.__version__,
        "name": version.parent.name,
        "version": int(version.name),
        "classes": list(model.classes),
        "spec": _spec_json(model.spec),
        "answers": {
            **asdict(model.settings),
            "draws": model.has_random_layers,
            "networks": len(model.networks),
        },
        **(details or {}),
    }
    with replacing(version) as partial:
        tf.saved_model.save(_Variables(model), str(partial), _signature_functions(model))
        write_json(partial / DETAILS_FILE, all_details)
        write_text(partial / _LABELS, "".join(f"{label}\n" for label in model.classes))
        write_text(partial / _CARD, model_card(all_details))
        _write_warm_up(partial / WARM_UP_FILE, version.parent.name, model)
    return version


class _Variables(tf.Module):
    """Module that tracks the networks' variables, but no Keras objects."""

    def __init__(self, model: ExportableModel) -> None:
        super().__init__()
        networks = list(model.networks)
        if isinstance(model.spec, SpeechFeatures):
            networks.append(model.spec.encoder)
        self.weights = [variable.value for network in networks for variable in network.variables]


def _spec_json(spec: SpectrogramSpec | SpeechFeatures) -> dict[str, Any]:
    return spec.to_json() if isinstance(spec, SpeechFeatures) else asdict(spec)


def _signature_functions(
    model: ExportableModel,
) -> "dict[str, tf.types.experimental.PolymorphicFunction[..., Any]]":
    """Build the function of each signature, by name; see :mod:`serkit.export.signatures`.

    A recording that is longer than a spectrogram is split into overlapping segments. The logits
    of the segments are averaged for each Monte Carlo sample. Of a recording longer than ten
    minutes, only the middle ten minutes are used.
    """
    spec, samples_setting = model.spec, model.settings.samples
    default_samples = tf.constant(samples_setting)
    wav_bytes_spec = tf.TensorSpec([None], tf.string, name=signatures.WAV_BYTES)
    waveform_spec = tf.TensorSpec([None, None], tf.float32, name=signatures.WAVEFORM)
    samples_spec = tf.TensorSpec([None], tf.int32, name=signatures.SAMPLES)
    any_spec = tf.TensorSpec([None], tf.int32, name=signatures.ANY)

    # The names of the arguments become the names of the signature's inputs.
    def predict_files(wav_bytes):
        return _predict_recordings(model, wav_bytes, default_samples, decode_wav)

    def predict_waveforms(waveform):
        return _predict_recordings(
            model,
            waveform,
            default_samples,
            lambda samples: _check_waveform(samples, spec.sample_rate),
        )

    def predict_spectrograms(spectrogram):
        return _predict_spectrograms(model, spectrogram, default_samples)

    def predict_files_sampled(wav_bytes, samples=tf.constant([samples_setting])):  # noqa: B008 - a constant
        # The highest number applies to the whole batch.
        sample_count = tf.clip_by_value(tf.reduce_max(samples), 1, MAX_SAMPLES)
        return _predict_recordings(model, wav_bytes, sample_count, decode_wav)

    def features(wav_bytes):
        if isinstance(spec, SpeechFeatures):
            return _speech_features(wav_bytes, spec)
        return _spectrograms(wav_bytes, spec)

    def classes(any):
        return {"classes": tf.tile(tf.constant([model.classes]), [tf.size(any), 1])}

    functions = {
        signatures.WAV: (predict_files, [wav_bytes_spec]),
        signatures.WAVEFORM: (predict_waveforms, [waveform_spec]),
        signatures.FEATURES: (features, [wav_bytes_spec]),
        signatures.CLASSES: (classes, [any_spec]),
    }
    if isinstance(spec, SpectrogramSpec):
        spectrogram_spec = tf.TensorSpec(
            [None, *spec.shape], tf.float32, name=signatures.SPECTROGRAM
        )
        functions[signatures.SPECTROGRAM] = (predict_spectrograms, [spectrogram_spec])
    if model.has_random_layers:
        functions[signatures.SAMPLED] = (predict_files_sampled, [wav_bytes_spec, samples_spec])
    return {
        name: tf.function(function, input_specs, autograph=False)
        for name, (function, input_specs) in functions.items()
    }


def _predict_recordings(
    model: ExportableModel,
    recordings: tf.Tensor,
    samples: tf.Tensor,
    decode: Callable[[tf.Tensor], Decoded],
) -> dict[str, tf.Tensor]:
    """Decode recordings and compute the outputs of each.

    The logits of a recording of more segments than a batch are computed before the next recording
    is decoded, so that the segments of only one such recording are held at a time.
    """
    spec = model.spec
    if isinstance(spec, SpeechFeatures):
        return _predict_alone(model, spec, recordings, samples, decode)
    # As a function, the network is in the graph once, although it is called in two places.
    compute_logits = tf.function(
        lambda segments: map_in_batches(
            lambda batch: model.logits(to_spectrogram(batch, spec), samples), segments
        ),
        [tf.TensorSpec([None, spec.samples])],
        autograph=False,
    )
    sample_count = samples if model.has_random_layers else len(model.networks)

    def load(recording: tf.Tensor) -> tuple[LoadedRecording, tf.Tensor]:
        """Return a recording's segments and zeros, or no segments and the mean of their logits."""
        loaded = load_segments(recording, spec, decode)
        segments, logits = tf.cond(
            tf.shape(loaded.waveform)[0] > BATCH_SIZE,
            lambda: (loaded.waveform[:0], tf.reduce_mean(compute_logits(loaded.waveform), axis=0)),
            lambda: (loaded.waveform, tf.zeros([sample_count, len(model.classes)])),
        )
        return loaded._replace(waveform=segments), logits

    text_spec = tf.TensorSpec([], tf.string)
    segments_spec = tf.RaggedTensorSpec([None, spec.samples], tf.float32, ragged_rank=0)
    loaded, long_logits = tf.map_fn(
        load,
        recordings,
        fn_output_signature=(
            LoadedRecording._make([segments_spec, text_spec, text_spec]),
            tf.TensorSpec([None, len(model.classes)]),
        ),
        parallel_iterations=1,
    )
    segments = loaded.waveform
    short_logits = tf.math.unsorted_segment_mean(
        compute_logits(segments.values), segments.value_rowids(), segments.nrows()
    )
    return model.outputs(short_logits + long_logits, loaded.status, loaded.note)


def _predict_alone(
    model: ExportableModel,
    spec: SpeechFeatures,
    recordings: tf.Tensor,
    samples: tf.Tensor,
    decode: Callable[[tf.Tensor], Decoded],
) -> dict[str, tf.Tensor]:
    """Compute the outputs of recordings, one after the other.

    So an output does not depend on the other recordings: the last bits of a matrix product or a
    softmax depend on the number of rows.
    """

    def predict(recording: tf.Tensor) -> dict[str, tf.Tensor]:
        features, status, note = spec.load(recording, decode)
        logits = model.logits(features[tf.newaxis], samples)
        outputs = model.outputs(logits, status[tf.newaxis], note[tf.newaxis])
        return {name: rows[0] for name, rows in outputs.items()}

    number, text = tf.TensorSpec([], tf.float32), tf.TensorSpec([], tf.string)
    output_specs = {
        signatures.PROBABILITIES: tf.TensorSpec([len(model.classes)], tf.float32),
        signatures.LABEL: text,
        signatures.ENTROPY: number,
        signatures.MUTUAL_INFORMATION: number,
        signatures.ABSTAIN: tf.TensorSpec([], tf.bool),
        signatures.STATUS: text,
        signatures.NOTE: text,
    }
    return tf.map_fn(predict, recordings, fn_output_signature=output_specs, parallel_iterations=1)


def _speech_features(wav_bytes: tf.Tensor, spec: SpeechFeatures) -> dict[str, tf.Tensor]:
    """Compute the features of recordings, one after the other, as in training."""
    text_spec, features_spec = tf.TensorSpec([], tf.string), tf.TensorSpec(spec.shape, tf.float32)
    loaded = tf.map_fn(
        spec.load,
        wav_bytes,
        fn_output_signature=LoadedRecording._make([features_spec, text_spec, text_spec]),
        parallel_iterations=1,
    )
    return {signatures.FEATURES: loaded.waveform, signatures.STATUS: loaded.status}


def _predict_spectrograms(
    model: ExportableModel, spectrograms: tf.Tensor, samples: tf.Tensor
) -> dict[str, tf.Tensor]:
    """Compute the outputs of spectrograms; those with values that are not finite are not usable."""
    is_finite = tf.reduce_all(tf.math.is_finite(spectrograms), axis=[1, 2, 3])
    usable = tf.where(is_finite[:, tf.newaxis, tf.newaxis, tf.newaxis], spectrograms, 0.0)
    logits = map_in_batches(lambda batch: model.logits(batch, samples), usable)
    status = tf.where(is_finite, "", _NOT_FINITE)
    return model.outputs(logits, status, tf.zeros_like(status))


def _spectrograms(wav_bytes: tf.Tensor, spec: SpectrogramSpec) -> dict[str, tf.Tensor]:
    text_spec, waveform_spec = (
        tf.TensorSpec([], tf.string),
        tf.TensorSpec([spec.samples], tf.float32),
    )
    loaded = tf.map_fn(
        lambda data: load_waveform(data, spec),
        wav_bytes,
        fn_output_signature=LoadedRecording._make([waveform_spec, text_spec, text_spec]),
    )
    spectrograms = map_in_batches(lambda batch: to_spectrogram(batch, spec), loaded.waveform)
    spectrograms = tf.ensure_shape(spectrograms, [None, *spec.shape])
    return {signatures.SPECTROGRAM: spectrograms, signatures.STATUS: loaded.status}


def _check_waveform(waveform: tf.Tensor, sample_rate: int) -> Decoded:
    """Return a waveform as a decoded file; its status tells whether it is empty or no sound."""
    # NaN is not less than anything.
    is_sound = tf.reduce_all(tf.abs(waveform) <= MAX_MAGNITUDE)
    status = tf.where(is_sound, tf.where(tf.size(waveform) > 0, "", _EMPTY), _NOT_FINITE)
    rate = tf.constant(sample_rate)
    return Decoded(tf.where(is_sound, waveform, 0.0), rate, status, tf.constant(""))


def _write_warm_up(path: Path, model_name: str, model: ExportableModel) -> None:
    """Write warm-up requests for every signature, with quiet noise instead of speech."""
    from tensorflow_serving.apis import prediction_log_pb2

    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in _requests(model):
            log = prediction_log_pb2.PredictionLog()
            request = log.predict_log.request
            request.model_spec.name = model_name
            request.model_spec.signature_name = signature
            for input_name, value in inputs.items():
                request.inputs[input_name].CopyFrom(tf.make_tensor_proto(value))
            writer.write(log.SerializeToString())


def _requests(model: ExportableModel) -> Iterator[tuple[str, dict[str, npt.NDArray[Any]]]]:
    """Yield the signature and the inputs of each warm-up request."""
    rng, spec = np.random.default_rng(0), model.spec
    files = [_noise_file(rng, rate, channels) for rate, channels in _WAV_FORMATS]
    short_file = files[0]
    if isinstance(spec, SpectrogramSpec):
        # A recording of several segments.
        files.append(_noise_file(rng, spec.sample_rate, 1, 1.5 * spec.samples / spec.sample_rate))
    for signature in (signatures.WAV, signatures.FEATURES):
        for file in files:
            yield signature, {signatures.WAV_BYTES: np.array([file], object)}
    for size in _BATCH_SIZES[1:]:
        yield signatures.WAV, {signatures.WAV_BYTES: np.array([short_file] * size, object)}
    for size in _BATCH_SIZES:
        waveforms = 0.01 * rng.standard_normal((size, spec.sample_rate))
        yield signatures.WAVEFORM, {signatures.WAVEFORM: waveforms.astype("float32")}
        if isinstance(spec, SpectrogramSpec):
            spectrograms = rng.uniform(-1, 1, (size, *spec.shape)).astype("float32")
            yield signatures.SPECTROGRAM, {signatures.SPECTROGRAM: spectrograms}
    yield signatures.CLASSES, {signatures.ANY: np.zeros(1, "int32")}
    if model.has_random_layers:
        samples = np.array([model.settings.samples], "int32")
        file = np.array([short_file], object)
        yield signatures.SAMPLED, {signatures.WAV_BYTES: file, signatures.SAMPLES: samples}


def _noise_file(rng: np.random.Generator, rate: int, channels: int, seconds: float = 1.0) -> bytes:
    """Return noise as a 16-bit WAV file."""
    samples = rng.normal(0, 300, (int(seconds * rate), channels)).astype(np.int16)
    return to_wav(samples, rate)
