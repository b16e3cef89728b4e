"""Warm-up requests of an exported model, which TF Serving makes before it serves the model."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from serkit.audio.containers import to_wav
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.export import signatures
from serkit.export.exportable_model import ExportableModel

WARM_UP_FILE = "assets.extra/tf_serving_warmup_requests"
"""File of warm-up requests that TF Serving reads: a TFRecord of at most 1,000 ``PredictionLog``."""
# Sample rates and channel counts of warm-up files, and sizes of warm-up batches. Each pair of rate
# and channel count uses other branches of the graph.
_WAV_FORMATS = ((16_000, 1), (48_000, 1), (44_100, 2))
_BATCH_SIZES = (1, 8)


def write_warm_up(path: Path, model_name: str, model: ExportableModel) -> None:
    """Write warm-up requests for every signature, with quiet noise instead of speech.

    Args:
        path: file to write.
        model_name: name by which TF Serving serves the model.
        model: the exported model.
    """
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
    if model.enrollment:
        file = np.array([short_file], object)
        speaker = np.zeros((1, *model.enrollment.classifier.shape), "float32")
        number = np.zeros(1, "int32")
        yield signatures.ENROLL, {signatures.WAV_BYTES: file, signatures.CLASS_NUMBER: number}
        yield signatures.ENROLLED, {signatures.WAV_BYTES: file, signatures.SPEAKER: speaker}
    if model.has_random_layers:
        samples = np.array([model.settings.samples], "int32")
        file = np.array([short_file], object)
        yield signatures.SAMPLED, {signatures.WAV_BYTES: file, signatures.SAMPLES: samples}


def _noise_file(rng: np.random.Generator, rate: int, channels: int, seconds: float = 1.0) -> bytes:
    """Return noise as a 16-bit WAV file."""
    samples = rng.normal(0, 300, (int(seconds * rate), channels)).astype(np.int16)
    return to_wav(samples, rate)
