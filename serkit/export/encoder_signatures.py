"""Signatures of a model of an encoder's features: one recording after the other, enrollment."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from serkit.audio.loading import LoadedRecording
from serkit.export import signatures
from serkit.export.exportable_model import (
    FAR_NOTE,
    Enrollment,
    ExportableModel,
    PredictionSettings,
)
from serkit.models.speech_features import SpeechFeatures


def predict_alone(
    model: ExportableModel,
    compute: Callable[[Any], tuple[tf.Tensor, tf.Tensor, LoadedRecording]],
    elements: Any,
    settings: PredictionSettings,
) -> dict[str, tf.Tensor]:
    """Compute the outputs of recordings, one after the other.

    So an output does not depend on the other recordings: the last bits of a matrix product or a
    softmax depend on the number of rows.

    Args:
        model: model with the classes.
        compute: from an element to logits ``(1, samples, classes)``, features ``(1, features)`` and
            the recording.
        elements: recordings, or tuples of them with other inputs.
        settings: settings of the step from logits to predictions.
    """

    def predict(element: Any) -> dict[str, tf.Tensor]:
        logits, features, loaded = compute(element)
        status, note = loaded.status[tf.newaxis], loaded.note[tf.newaxis]
        outputs = model.outputs(logits, status, note, settings, features)
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
    return tf.map_fn(predict, elements, fn_output_signature=output_specs, parallel_iterations=1)


def speech_features(wav_bytes: tf.Tensor, spec: SpeechFeatures) -> dict[str, tf.Tensor]:
    """Compute the features of recordings, one after the other, as in training.

    Args:
        wav_bytes: string ``(batch,)``, whole WAV files.
        spec: the encoder.
    """
    text_spec, features_spec = tf.TensorSpec([], tf.string), tf.TensorSpec(spec.shape, tf.float32)
    loaded = tf.map_fn(
        spec.load,
        wav_bytes,
        fn_output_signature=LoadedRecording._make([features_spec, text_spec, text_spec]),
        parallel_iterations=1,
    )
    return {signatures.FEATURES: loaded.waveform, signatures.STATUS: loaded.status}


def enrollment_functions(
    model: ExportableModel, enrollment: Enrollment, spec: SpeechFeatures
) -> dict[str, tuple[Callable[..., dict[str, tf.Tensor]], list[tf.TensorSpec]]]:
    """Return the functions that estimate a speaker's voice and use the estimate.

    Args:
        model: model with the classes.
        enrollment: the classifier that adapts.
        spec: the encoder.

    Returns:
        A function and the specs of its inputs for each signature.
    """
    classifier = enrollment.classifier
    wav_bytes_spec = tf.TensorSpec([None], tf.string, name=signatures.WAV_BYTES)
    class_spec = tf.TensorSpec([None], tf.int32, name=signatures.CLASS_NUMBER)
    speaker_spec = tf.TensorSpec([None, *classifier.shape], tf.float32, name=signatures.SPEAKER)

    def enroll(wav_bytes, class_number):
        loaded = speech_features(wav_bytes, spec)
        status = loaded[signatures.STATUS]
        if model.distance:
            is_far = (status == "") & model.distance.is_far(loaded[signatures.FEATURES])
            status = tf.where(is_far, FAR_NOTE, status)
        speaker = classifier.enroll(loaded[signatures.FEATURES], class_number, status == "")
        rows = tf.tile(speaker[tf.newaxis], [tf.size(status), 1])
        return {signatures.SPEAKER: rows, signatures.STATUS: status}

    def predict_enrolled(wav_bytes, speaker):
        def compute(element):
            recording, of_speaker = element
            loaded = spec.load(recording)
            features = loaded.waveform[tf.newaxis]
            logits = classifier(features, of_speaker[tf.newaxis])
            return logits[:, tf.newaxis], features, loaded

        return predict_alone(model, compute, (wav_bytes, speaker), enrollment.settings)

    return {
        signatures.ENROLL: (enroll, [wav_bytes_spec, class_spec]),
        signatures.ENROLLED: (predict_enrolled, [wav_bytes_spec, speaker_spec]),
    }
