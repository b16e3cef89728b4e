"""Convert an exported model to ONNX or LiteRT: from a waveform to probabilities."""

import importlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from serkit.audio.loading import MAX_CROPPED, MIN_OVERLAP, TRIM_FRAME, TRIM_HOP
from serkit.audio.spectrogram import SpectrogramSpec, band_weights, hann, scale_power
from serkit.audio.whisper_spectrogram import (
    HOP,
    MAX_SAMPLES,
    WINDOW,
    mel_filters,
    scale_bands,
)
from serkit.errors import InputError, check_choice
from serkit.export.exportable_model import ExportableModel
from serkit.export.operations import check_operations
from serkit.export.versions import find_version, read_details
from serkit.files import replacing
from serkit.models.speech_features import MIN_SAMPLES, SpeechFeatures

ONNX, LITERT = "onnx", "litert"
FORMATS = (LITERT, ONNX)
_MAX_SECONDS = 300
_OPSET = 18


class PortableModel(tf.Module):
    """Probabilities of a recording, in operations that ONNX Runtime and LiteRT have.

    The Fourier transform is a matrix product, and there are no strings, no branches and no loops.
    The results are those of the signature ``waveform`` within rounding.

    Args:
        model: a model without random layers.
        logits: :meth:`ExportableModel.logits` of the model, as a function that the graph has once.

    Attributes:
        predict: function of ``waveform``, float32 ``(samples,)`` in [-1, 1] at the rate of the
            model's spec, with at least one sample. Of a recording longer than five minutes the
            middle is used, with a speech encoder the middle 30 seconds. It returns
            ``probabilities``, float32 ``(classes,)``, in a dictionary.
    """

    def __init__(
        self, model: ExportableModel, logits: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    ) -> None:
        super().__init__()
        self._model = model
        spec = model.spec
        is_speech = isinstance(spec, SpeechFeatures)
        weights = mel_filters(spec.mels) if is_speech else band_weights(spec)
        window = hann(WINDOW if is_speech else spec.window)
        # Variables, because constants would be in the graph, whose size matters.
        self._window = tf.Variable(tf.constant(window), trainable=False)
        self._weights = tf.Variable(tf.constant(weights), trainable=False)
        waveform_spec = tf.TensorSpec([None], tf.float32, name="waveform")
        # Not an attribute: a SavedModel would hold the function of the logits once more.
        self.predict = tf.function(
            lambda waveform: self._predict(waveform, logits), [waveform_spec], autograph=False
        )

    def _predict(
        self, waveform: tf.Tensor, logits_of: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        spec, settings = self._model.spec, self._model.settings
        if isinstance(spec, SpeechFeatures):
            inputs = self._features(waveform, spec)
        else:
            inputs = self._spectrograms(waveform, spec)
        # (rows, networks, classes)
        logits = tf.reduce_mean(logits_of(inputs, tf.constant(1)), axis=0)
        probabilities = tf.nn.softmax(logits / settings.temperature)
        return {"probabilities": tf.reduce_mean(probabilities, axis=0)}

    def _features(self, waveform: tf.Tensor, spec: SpeechFeatures) -> tf.Tensor:
        """Return the features ``(1, features)`` of a waveform."""
        waveform = _middle(waveform, MAX_SAMPLES)
        if spec.trim_db:
            waveform = _trim(waveform, spec.trim_db)
        missing = tf.maximum(MIN_SAMPLES - tf.size(waveform), 0)
        waveform = tf.pad(waveform, [[0, missing]])
        half = WINDOW // 2
        mirrored = tf.pad(waveform, [[half, half]], "REFLECT")
        starts = tf.range(tf.size(waveform) // HOP) * HOP
        bands = self._band_power(_slices(mirrored, starts, WINDOW)[tf.newaxis], WINDOW)
        # An even number is as good, and converters round its half alike.
        even_count = (tf.shape(bands)[1] + 1) // 2 * 2
        return spec.of_spectrogram(scale_bands(bands), even_count)[tf.newaxis]

    def _spectrograms(self, waveform: tf.Tensor, spec: SpectrogramSpec) -> tf.Tensor:
        """Return the spectrograms ``(segments, frames, bins, 1)`` of a waveform."""
        if spec.trim_db:
            waveform = _trim(waveform, spec.trim_db)
        padded, starts = _segments(waveform, spec.samples, _MAX_SECONDS * spec.sample_rate)
        frame_starts = tf.expand_dims(starts, 1) + tf.range(spec.frames) * spec.hop
        frames = _slices(padded, frame_starts, spec.window)
        spectrograms = scale_power(self._band_power(frames, spec.fft), spec)
        return tf.reshape(spectrograms, [-1, *spec.shape])

    def _band_power(self, frames: tf.Tensor, fft: int) -> tf.Tensor:
        """Return the power in each band ``(batch, frames, bands)`` of frames, with a Hann window.

        The matrices depend on the input, so that no converter makes them constants: those of the
        Fourier transform would take megabytes, and 8-bit weights would spoil all of them.
        """
        window = frames.shape[-1]
        zero = tf.minimum(tf.size(frames), 0)
        products = tf.expand_dims(tf.range(window), 1) * (tf.range(fft // 2 + 1) + zero)
        angles = tf.cast(products % fft, tf.float32) * (2 * math.pi / fft)
        windowed = frames * self._window
        real, imaginary = (tf.matmul(windowed, part(angles)) for part in (tf.cos, tf.sin))
        power = tf.square(real) + tf.square(imaginary)
        return tf.matmul(power, self._weights + tf.cast(zero, tf.float32))


def _middle(waveform: tf.Tensor, max_samples: int) -> tf.Tensor:
    start = tf.maximum(tf.size(waveform) - max_samples, 0) // 2
    return waveform[start : start + max_samples]


def _trim(waveform: tf.Tensor, top_db: float) -> tf.Tensor:
    """Do what :func:`serkit.audio.loading.trim_silence` does, in float32 and without branches."""
    samples, parts = tf.size(waveform), TRIM_FRAME // TRIM_HOP
    count = 1 + samples // TRIM_HOP
    padded = tf.pad(waveform, [[TRIM_FRAME // 2, TRIM_FRAME // 2]])
    blocks = tf.reshape(padded[: (count + parts - 1) * TRIM_HOP], [-1, TRIM_HOP])
    energies = tf.reduce_sum(tf.square(blocks), axis=1)
    energies = sum(energies[part : part + count] for part in range(1, parts)) + energies[:count]
    is_sound = energies > tf.reduce_max(energies) * 10.0 ** (-top_db / 10.0)
    numbers = tf.range(count)
    first = tf.reduce_min(tf.where(is_sound, numbers, count))
    last = tf.reduce_max(tf.where(is_sound, numbers, -1))
    return waveform[
        tf.minimum(first * TRIM_HOP, samples) : tf.minimum((last + 1) * TRIM_HOP, samples)
    ]


def _segments(waveform: tf.Tensor, length: int, max_samples: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the padded waveform, and where the segments of ``load_segments`` start in it.

    Of a waveform longer than ``max_samples``, the segments are those of its middle.
    """
    samples = tf.size(waveform)
    used = tf.minimum(samples, max_samples)
    surplus = tf.maximum(used - length, 0)
    hop = max(1, int(length * (1 - MIN_OVERLAP)))
    is_one = samples <= int(MAX_CROPPED * length)
    count = tf.where(is_one, 1, 1 + (surplus + hop - 1) // hop)
    spread = tf.range(count) * surplus // tf.maximum(count - 1, 1)
    starts = (samples - used) // 2 + tf.where(is_one, surplus // 2, spread)
    missing = tf.maximum(length - samples, 0)
    first = missing // 2
    return tf.pad(waveform, [[first, missing - first]]), starts


def _slices(waveform: tf.Tensor, starts: tf.Tensor, length: int) -> tf.Tensor:
    """Return the slices ``(…, length)`` of a waveform that start at ``starts``, ``(…,)``."""
    return tf.gather(waveform, tf.expand_dims(starts, -1) + tf.range(length))


def convert_model(model: Path | str, out: Path | str, form: str, *, int8: bool = False) -> Path:
    """Convert an exported model to a file of ONNX or LiteRT.

    The file's input is the waveform of one recording, float32 ``(samples,)`` in [-1, 1], of any
    length, at the model's sample rate; its output the probabilities, float32 ``(classes,)``. A JSON
    file of the same name has the classes, the sample rate and the threshold of abstention.

    Args:
        model: folder of an exported model, or of one of its versions.
        out: file to write; ``.onnx`` or ``.tflite`` is appended if it is missing.
        form: ``onnx`` or ``litert``.
        int8: whether weights are stored in 8 bits.

    Returns:
        The file that was written.

    Raises:
        InputError: if there is no such model or format, the model draws random numbers or is of an
            earlier version of serkit, or the packages of the format are not installed; or as
            :func:`serkit.export.operations.check_operations`.

    Example:
        .. code-block:: python

            serkit.convert_model("saved_models/mine", "mine.onnx", "onnx")
    """
    check_choice("form", form, FORMATS)
    version = find_version(Path(model))
    check_operations(version)
    details = read_details(version, classes=list, spec=dict, answers=dict)
    loaded = tf.saved_model.load(str(version))
    if not hasattr(loaded, "portable"):
        raise InputError(
            f"{version} cannot be converted: it draws random numbers, or is of an earlier version "
            "of serkit; export it again"
        )
    suffix = ".onnx" if form == ONNX else ".tflite"
    path = Path(out) if Path(out).suffix == suffix else Path(f"{out}{suffix}")
    facts = {
        "classes": details["classes"],
        "sample_rate": details["spec"]["sample_rate"],
        "threshold": details["answers"]["threshold"],
    }
    convert = _to_onnx if form == ONNX else _to_litert
    content = convert(loaded, facts, int8)
    with replacing(path.with_suffix(".json")) as partial:
        partial.write_text(json.dumps(facts, indent=2) + "\n", "utf-8")
    with replacing(path) as partial:
        partial.write_bytes(content)
    return path


def _to_onnx(loaded: Any, facts: dict[str, Any], int8: bool) -> bytes:
    tf2onnx = _require("tf2onnx.convert", "onnx")
    spec = tf.TensorSpec([None], tf.float32, name="waveform")
    function = tf.function(loaded.portable.predict, [spec], autograph=False)
    # tf2onnx itself would take constants that the function has captured for inputs.
    frozen = convert_variables_to_constants_v2(
        function.get_concrete_function(), lower_control_flow=False
    )
    names = {frozen.inputs[0].name: "waveform", frozen.outputs[0].name: "probabilities"}
    proto, _ = tf2onnx.from_graph_def(
        frozen.graph.as_graph_def(),
        input_names=[frozen.inputs[0].name],
        output_names=[frozen.outputs[0].name],
        tensors_to_rename=names,
        opset=_OPSET,
        custom_op_handlers={"Erfc": (_complement_of_erf, [])},
    )
    checker = _require("onnx.checker", "onnx")
    try:
        checker.check_model(proto)
    except checker.ValidationError as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"the model cannot be converted to ONNX: {reason}") from error
    for name, value in facts.items():
        entry = proto.metadata_props.add()
        entry.key, entry.value = name, json.dumps(value)
    if not int8:
        return proto.SerializeToString()
    quantization = _require("onnxruntime.quantization", "onnx")
    with TemporaryDirectory() as name:
        whole, small = Path(name, "whole.onnx"), Path(name, "small.onnx")
        whole.write_bytes(proto.SerializeToString())
        quantization.quantize_dynamic(whole, small, op_types_to_quantize=["MatMul", "Gemm"])
        return small.read_bytes()


def _complement_of_erf(graph: Any, node: Any, name: str, _: Any) -> None:
    """Replace TensorFlow's Erfc, which ONNX has not, by 1 - Erf."""
    output = node.output[0]
    node.type, node.domain = "Erf", ""
    negative = graph.insert_new_node_on_output("Neg", output, name=f"{name}_negative")
    one = graph.make_const(f"{name}_one", np.ones(1, np.float32))
    inputs = [negative.output[0], one.output[0]]
    graph.insert_new_node_on_output("Add", negative.output[0], inputs=inputs, name=f"{name}_sum")


def _to_litert(loaded: Any, facts: dict[str, Any], int8: bool) -> bytes:
    # Only the signature of a SavedModel gives a LiteRT file the names of its input and output.
    with TemporaryDirectory() as folder:
        tf.saved_model.save(loaded, folder, loaded.portable.predict)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if int8:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        return converter.convert()


def _require(module: str, extra: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            f"{module.partition('.')[0]} is not installed; pip install 'serkit[{extra}]' brings it"
        ) from error
