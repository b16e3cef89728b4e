"""A model version in memory, and its warm-up."""

import inspect
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from serkit.audio.containers import to_wav
from serkit.errors import InputError
from serkit.export import signatures
from serkit.export.saved_model import REQUESTS
from serkit.export.versions import DETAILS
from serkit.files import read_json
from serkit.serving.server.http import Refusal
from serkit.serving.server.tensors import SignatureSpec, TensorSpec


class Signature:
    """Signature of a loaded model.

    Attributes:
        name: name of the signature in requests.
        spec: data types and shapes of the inputs and outputs.
    """

    def __init__(self, name: str, spec: SignatureSpec, model: Any) -> None:
        self.name: str = name
        self.spec: SignatureSpec = spec
        self._function = model.signatures[name]
        # Keep the model, which owns the variables. The function does not refer to the model.
        self._model = model

    def run(self, tensors: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Compute the outputs by name.

        Args:
            tensors: inputs by name, valid for the spec; strings are arrays of ``bytes``.

        Returns:
            Outputs by name; strings are arrays of ``bytes``.

        Raises:
            Refusal: 400, if the model reports invalid input; 503, if there is not enough memory.
            tensorflow.errors.OpError: for any other error of the model.
        """
        inputs = {
            name: tf.constant(tensors[name], tf.dtypes.as_dtype(spec.dtype))
            for name, spec in self.spec.inputs.items()
        }
        try:
            outputs = self._function(**inputs)
            return {name: tensor.numpy() for name, tensor in outputs.items()}
        except (
            tf.errors.InvalidArgumentError,
            tf.errors.OutOfRangeError,
            tf.errors.FailedPreconditionError,
        ) as error:
            raise Refusal(400, _error_line(error)) from error
        except (tf.errors.ResourceExhaustedError, MemoryError) as error:
            raise Refusal(503, "not enough memory for this request") from error


@dataclass(frozen=True)
class LoadedVersion:
    """Loaded version of a model.

    Attributes:
        number: number of the version.
        path: folder of the version.
        signatures: signatures by name.
        metadata: signatures by name, as JSON values in TF Serving's metadata format.
        details: content of ``assets.extra/serkit.json``; empty if there is no such file.
    """

    number: int
    path: Path
    signatures: Mapping[str, Signature]
    metadata: Mapping[str, Any]
    details: Mapping[str, Any]


def load_version(number: int, path: Path) -> LoadedVersion:
    """Load a SavedModel.

    Args:
        number: number of the version.
        path: folder of the version.

    Returns:
        The loaded version.

    Raises:
        InputError: if the SavedModel is damaged, or has no signatures.
    """
    try:
        saved_model = SavedModel.FromString((path / "saved_model.pb").read_bytes())
        graphs = [graph for graph in saved_model.meta_graphs if "serve" in graph.meta_info_def.tags]
        definitions = graphs[0].signature_def
        model = tf.saved_model.load(str(path), tags=["serve"])
        specs = {name: _signature_spec(definitions[name]) for name in model.signatures}
        details = read_json(path / DETAILS) if (path / DETAILS).is_file() else {}
    # TensorFlow raises errors of many types for damaged files.
    except Exception as error:
        raise InputError(f"model {path} cannot be loaded: {_error_line(error)}") from error
    if not specs:
        raise InputError(f"model {path} has no signatures")
    return LoadedVersion(
        number,
        path,
        signatures={name: Signature(name, spec, model) for name, spec in specs.items()},
        metadata={name: _to_json(definition) for name, definition in sorted(definitions.items())},
        details=details,
    )


def _signature_spec(definition: Any) -> SignatureSpec:
    return SignatureSpec(
        inputs={name: _tensor_spec(info) for name, info in sorted(definition.inputs.items())},
        outputs={name: _tensor_spec(info) for name, info in sorted(definition.outputs.items())},
    )


def _tensor_spec(info: Any) -> TensorSpec:
    shape = tf.TensorShape(info.tensor_shape)
    sizes = None if shape.rank is None else tuple(shape.as_list())
    return TensorSpec(tf.dtypes.as_dtype(info.dtype).name, sizes)


def _to_json(definition: Any) -> dict[str, Any]:
    """Return the JSON form of a signature, with the fields that have no value, as TF Serving."""
    # protobuf 5 has renamed the argument that includes fields without a value.
    option_names = ("always_print_fields_with_no_presence", "including_default_value_fields")
    parameters = inspect.signature(json_format.MessageToDict).parameters
    options: dict[str, Any] = {name: True for name in option_names if name in parameters}
    return json_format.MessageToDict(definition, preserving_proto_field_name=True, **options)


def _error_line(error: Exception) -> str:
    """Return the line of an error's message that says what is wrong.

    This is the first line. For a graph execution error of TensorFlow, it is the last line before
    the location in the graph.
    """
    text = (getattr(error, "message", "") or str(error)).strip()
    lines = text.partition("\n\t [[")[0].splitlines() or [type(error).__name__]
    return lines[-1 if text.startswith("Graph execution error") else 0]


_MAX_WARM_UP_REQUESTS = 1000
"""TF Serving refuses a file with more warm-up requests."""


def warm_up(version: LoadedVersion) -> int:
    """Run the model's recorded warm-up requests; without them, predict a second of silence.

    A damaged file, or a request that the model does not accept, does not stop the server. The error
    is written to the log.

    Returns:
        The number of requests that were run.
    """
    request_count = 0
    try:
        for name, tensors in _read_requests(version.path / REQUESTS):
            _run_signature(version, name, tensors)
            request_count += 1
    except (tf.errors.OpError, Refusal, ValueError, KeyError, ImportError) as error:
        logging.getLogger("serkit").warning("%s: %s", version.path / REQUESTS, error)
    if not request_count and signatures.WAV in version.signatures:
        inputs = version.signatures[signatures.WAV].spec.inputs
        if [spec.dtype for spec in inputs.values()] == ["string"]:
            second_of_silence = to_wav(np.zeros(16_000, np.int16), 16_000)
            wav_batch = np.array([second_of_silence], object)
            _run_signature(version, signatures.WAV, dict.fromkeys(inputs, wav_batch))
            request_count = 1
    return request_count


def _run_signature(version: LoadedVersion, name: str, tensors: dict[str, npt.NDArray[Any]]) -> None:
    signature = version.signatures[name]
    signature.spec.check(tensors)
    signature.run(tensors)


def _read_requests(path: Path) -> Iterator[tuple[str, dict[str, npt.NDArray[Any]]]]:
    """Yield the name of the signature and the inputs of each recorded request."""
    if not path.is_file():
        return
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    records = tf.data.TFRecordDataset(str(path)).take(_MAX_WARM_UP_REQUESTS)
    for record in records.as_numpy_iterator():
        request = PredictionLog.FromString(record).predict_log.request
        tensors = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        yield request.model_spec.signature_name or signatures.WAV, tensors
