"""Export a classifier as a SavedModel that takes the bytes of WAV files."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

import serkit
from serkit.audio.containers import MAX_MAGNITUDE
from serkit.audio.decoding import Decoded, decode_wav
from serkit.audio.loading import LoadedRecording, load_segments, load_waveform
from serkit.audio.spectrogram import SpectrogramSpec, to_spectrogram
from serkit.export import signatures
from serkit.export.encoder_signatures import (
    enrollment_functions,
    predict_alone,
    speech_features,
)
from serkit.export.exportable_model import (
    BATCH_SIZE,
    MAX_SAMPLES,
    ExportableModel,
    map_in_batches,
)
from serkit.export.model_card import model_card
from serkit.export.portable import PortableModel
from serkit.export.versions import DETAILS_FILE, MODEL_CARD, version_for
from serkit.export.warm_up import WARM_UP_FILE, write_warm_up
from serkit.files import replacing, write_json, write_text
from serkit.models.speech_features import SpeechFeatures

_LABELS = "assets.extra/labels.txt"
_NOT_FINITE = "values that are not finite"
_EMPTY = "a waveform without samples"


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
            "ood_threshold": model.distance.threshold if model.distance else None,
            "enrollment": asdict(model.enrollment.settings) if model.enrollment else None,
        },
        **(details or {}),
    }
    with replacing(version) as partial:
        shared = _SharedFunctions(model)
        functions = _signature_functions(model, shared)
        with _without_log():
            tf.saved_model.save(_Variables(model, shared), str(partial), functions)
        write_json(partial / DETAILS_FILE, all_details)
        write_text(partial / _LABELS, "".join(f"{label}\n" for label in model.classes))
        write_text(partial / MODEL_CARD, model_card(all_details))
        write_warm_up(partial / WARM_UP_FILE, version.parent.name, model)
    return version


@contextmanager
def _without_log() -> Iterator[None]:
    """Keep TensorFlow from logging the temporary name of a version."""
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("WARNING")
    try:
        yield
    finally:
        logger.setLevel(level)


class _Variables(tf.Module):
    """Module that tracks the networks' variables, but no Keras objects.

    The attribute ``portable`` is what :func:`serkit.export.portable.convert_model` converts.
    """

    def __init__(self, model: ExportableModel, shared: "_SharedFunctions") -> None:
        super().__init__()
        networks: list[keras.Layer] = list(model.networks)
        if isinstance(model.spec, SpeechFeatures):
            networks.append(model.spec.encoder)
        if model.enrollment:
            networks.append(model.enrollment.classifier)
        self.weights = [variable.value for network in networks for variable in network.variables]
        if not model.has_random_layers:
            self.portable = PortableModel(model, shared.logits)


def _spec_json(spec: SpectrogramSpec | SpeechFeatures) -> dict[str, Any]:
    return spec.to_json() if isinstance(spec, SpeechFeatures) else asdict(spec)


def _signature_functions(
    model: ExportableModel, shared: "_SharedFunctions"
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
        return _predict_recordings(model, shared, wav_bytes, default_samples, decode_wav)

    def predict_waveforms(waveform):
        return _predict_recordings(
            model,
            shared,
            waveform,
            default_samples,
            lambda samples: _check_waveform(samples, spec.sample_rate),
        )

    def predict_spectrograms(spectrogram):
        return _predict_spectrograms(model, shared, spectrogram, default_samples)

    def predict_files_sampled(wav_bytes, samples=tf.constant([samples_setting])):  # noqa: B008 - a constant
        # The highest number applies to the whole batch.
        sample_count = tf.clip_by_value(tf.reduce_max(samples), 1, MAX_SAMPLES)
        return _predict_recordings(model, shared, wav_bytes, sample_count, decode_wav)

    def features(wav_bytes):
        if isinstance(spec, SpeechFeatures):
            return speech_features(wav_bytes, spec)
        return _spectrograms(wav_bytes, spec, shared)

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
    if isinstance(spec, SpeechFeatures) and model.enrollment:
        functions |= enrollment_functions(model, model.enrollment, spec)
    return {
        name: tf.function(function, input_specs, autograph=False)
        for name, (function, input_specs) in functions.items()
    }


class _SharedFunctions:
    """Functions that several signatures call. Each is in the exported graph once.

    Attributes:
        logits: from inputs ``(rows, …)`` and the number of samples to logits
            ``(rows, samples, classes)``, see :meth:`ExportableModel.logits`.
        spectrograms: from waveforms ``(rows, samples)`` to spectrograms; only for a model of
            spectrograms.
        segment_logits: from waveforms ``(rows, samples)``, of any number, and the number of Monte
            Carlo samples to logits; only for a model of spectrograms.
    """

    def __init__(self, model: ExportableModel) -> None:
        spec = model.spec
        inputs, count = tf.TensorSpec([None, *spec.shape]), tf.TensorSpec([], tf.int32)
        self.logits = tf.function(model.logits, [inputs, count], autograph=False)
        if isinstance(spec, SpectrogramSpec):
            segments = tf.TensorSpec([None, spec.samples])
            self.spectrograms = tf.function(
                lambda rows: to_spectrogram(rows, spec), [segments], autograph=False
            )
            self.segment_logits = tf.function(
                self._segment_logits, [segments, count], autograph=False
            )

    def _segment_logits(self, segments: tf.Tensor, samples: tf.Tensor) -> tf.Tensor:
        return map_in_batches(lambda rows: self.logits(self.spectrograms(rows), samples), segments)


def _predict_recordings(
    model: ExportableModel,
    shared: _SharedFunctions,
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

        def compute(recording: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, LoadedRecording]:
            loaded = spec.load(recording, decode)
            features = loaded.waveform[tf.newaxis]
            return shared.logits(features, samples), features, loaded

        return predict_alone(model, compute, recordings, model.settings)

    def compute_logits(segments: tf.Tensor) -> tf.Tensor:
        return shared.segment_logits(segments, samples)

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


def _predict_spectrograms(
    model: ExportableModel, shared: _SharedFunctions, spectrograms: tf.Tensor, samples: tf.Tensor
) -> dict[str, tf.Tensor]:
    """Compute the outputs of spectrograms; those with values that are not finite are not usable."""
    is_finite = tf.reduce_all(tf.math.is_finite(spectrograms), axis=[1, 2, 3])
    usable = tf.where(is_finite[:, tf.newaxis, tf.newaxis, tf.newaxis], spectrograms, 0.0)
    logits = map_in_batches(lambda batch: shared.logits(batch, samples), usable)
    status = tf.where(is_finite, "", _NOT_FINITE)
    return model.outputs(logits, status, tf.zeros_like(status))


def _spectrograms(
    wav_bytes: tf.Tensor, spec: SpectrogramSpec, shared: _SharedFunctions
) -> dict[str, tf.Tensor]:
    text_spec, waveform_spec = (
        tf.TensorSpec([], tf.string),
        tf.TensorSpec([spec.samples], tf.float32),
    )
    loaded = tf.map_fn(
        lambda data: load_waveform(data, spec),
        wav_bytes,
        fn_output_signature=LoadedRecording._make([waveform_spec, text_spec, text_spec]),
    )
    spectrograms = map_in_batches(shared.spectrograms, loaded.waveform)
    spectrograms = tf.ensure_shape(spectrograms, [None, *spec.shape])
    return {signatures.SPECTROGRAM: spectrograms, signatures.STATUS: loaded.status}


def _check_waveform(waveform: tf.Tensor, sample_rate: int) -> Decoded:
    """Return a waveform as a decoded file; its status tells whether it is empty or no sound."""
    # NaN is not less than anything.
    is_sound = tf.reduce_all(tf.abs(waveform) <= MAX_MAGNITUDE)
    status = tf.where(is_sound, tf.where(tf.size(waveform) > 0, "", _EMPTY), _NOT_FINITE)
    rate = tf.constant(sample_rate)
    return Decoded(tf.where(is_sound, waveform, 0.0), rate, status, tf.constant(""))
