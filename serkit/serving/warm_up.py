"""Requests that TF Serving replays when it loads a model, so that the first user does not wait."""

import io
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from serkit.serving import signatures
from serkit.serving.answering import Answering

REQUESTS = "assets.extra/tf_serving_warmup_requests"
"""Where TF Serving looks for them: a TFRecord of ``PredictionLog``, at most 1,000."""

# Rates and channel counts whose branches of the graph differ.
_KINDS = ((16_000, 1), (48_000, 1), (44_100, 2))
_BATCHES = (1, 8)


def write_warm_up(path: Path, name: str, answering: Answering) -> int:
    """Write requests that touch every signature, with quiet noise that is nobody's voice.

    Args:
        path: of the file.
        name: of the model, as it will be served.
        answering: says which signatures there are, and what they take.

    Returns:
        How many requests were written.
    """
    from tensorflow_serving.apis import prediction_log_pb2

    count = 0
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in _requests(answering):
            log = prediction_log_pb2.PredictionLog()
            request = log.predict_log.request
            request.model_spec.name, request.model_spec.signature_name = name, signature
            for key, value in inputs.items():
                request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
            writer.write(log.SerializeToString())
            count += 1
    return count


def _requests(answering: Answering) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    rng, spec = np.random.default_rng(0), answering.spec
    files = [_noise(rng, rate, channels) for rate, channels in _KINDS]
    usual = files[0]
    # Of several windows.
    files.append(_noise(rng, spec.sample_rate, 1, 1.5 * spec.samples / spec.sample_rate))
    for signature in (signatures.WAV, signatures.FEATURES):
        for file in files:
            yield signature, {signatures.WAV_BYTES: np.array([file], object)}
    for size in _BATCHES[1:]:
        yield signatures.WAV, {signatures.WAV_BYTES: np.array([usual] * size, object)}
    for size in _BATCHES:
        noise = 0.01 * rng.standard_normal((size, spec.sample_rate))
        yield signatures.WAVEFORM, {signatures.WAVEFORM: noise.astype("float32")}
        pictures = rng.uniform(-1, 1, (size, *spec.shape)).astype("float32")
        yield signatures.SPECTROGRAM, {signatures.SPECTROGRAM: pictures}
    yield signatures.CLASSES, {signatures.ANY: np.zeros(1, "int32")}
    if answering.draws:
        samples = np.array([answering.settings.samples], "int32")
        some = {signatures.WAV_BYTES: np.array([usual], object), signatures.SAMPLES: samples}
        yield signatures.SAMPLED, some


def _noise(rng: np.random.Generator, rate: int, channels: int, seconds: float = 1.0) -> bytes:
    """A WAV file of 16 bits."""
    samples = rng.normal(0, 300, (int(seconds * rate), channels)).astype("<i2")
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return buffer.getvalue()
