"""A model's first calls, which are slow, made before anybody waits for them."""

import io
import logging
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from serkit.serving import signatures
from serkit.serving.server.loaded import LoadedVersion
from serkit.serving.server.refusal import Refusal
from serkit.serving.warm_up import REQUESTS

_MOST = 1000
"""TF Serving refuses to replay more."""


def warm_up(version: LoadedVersion) -> int:
    """Make the calls that the model's file of them asks for; else one of a second of silence.

    A file that is damaged, or asks for something that the model does not take, is not worth a
    server that does not start: what is wrong goes to the log.

    Returns:
        How many calls were made.
    """
    made = 0
    try:
        for name, tensors in _recorded(version.path / REQUESTS):
            _call(version, name, tensors)
            made += 1
    except (tf.errors.OpError, Refusal, ValueError, KeyError, ImportError) as error:
        logging.getLogger("serkit").warning("%s: %s", version.path / REQUESTS, error)
    if not made and signatures.WAV in version.signatures:
        inputs = version.signatures[signatures.WAV].spec.inputs
        if [spec.dtype for spec in inputs.values()] == ["string"]:
            sound = np.array([_silence()], object)
            _call(version, signatures.WAV, dict.fromkeys(inputs, sound))
            made = 1
    return made


def _call(version: LoadedVersion, name: str, tensors: dict[str, np.ndarray]) -> None:
    signature = version.signatures[name]
    signature.spec.check(tensors)
    signature.run(tensors)


def _recorded(path: Path) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    if not path.is_file():
        return
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    for record in tf.data.TFRecordDataset(str(path)).take(_MOST).as_numpy_iterator():
        request = PredictionLog.FromString(record).predict_log.request
        tensors = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        yield request.model_spec.signature_name or signatures.WAV, tensors


def _silence() -> bytes:
    """A second of it, as a WAV file."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(2 * 16_000))
    return buffer.getvalue()
