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
from serkit.serving.server.tensors import SignatureSpec, Spec


class Signature:
    """Signature of a loaded model.

    Attributes:
        name: name of the signature in requests.
        spec: data types and shapes of its inputs and outputs.
    """

    def __init__(self, name: str, spec: SignatureSpec, model: Any) -> None:
        self.name: str = name
        self.spec: SignatureSpec = spec
        self._function = model.signatures[name]
        # Keep the model alive, which owns the variables: the function holds no reference to it.
        self._model = model

    def run(self, tensors: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Compute the outputs by name.

        Args:
            tensors: inputs by name, valid for the spec; strings are arrays of ``bytes``.

        Raises:
            Refusal: 400, if the model reports invalid input; 503, if there is not enough memory.
            tensorflow.errors.OpError: for any other error of the model.
        """
        given = {
            name: tf.constant(tensors[name], tf.dtypes.as_dtype(spec.dtype))
            for name, spec in self.spec.inputs.items()
        }
        try:
            return {name: found.numpy() for name, found in self._function(**given).items()}
        except (
            tf.errors.InvalidArgumentError,
            tf.errors.OutOfRangeError,
            tf.errors.FailedPreconditionError,
        ) as error:
            raise Refusal(400, _reason(error)) from error
        except (tf.errors.ResourceExhaustedError, MemoryError) as error:
            raise Refusal(503, "not enough memory for this request") from error


@dataclass(frozen=True)
class LoadedVersion:
    """Loaded version of a model.

    Attributes:
        number: number of the version.
        path: folder of the version.
        signatures: signatures by name.
        metadata: signatures in TF Serving's metadata format, as values for JSON.
        details: content of ``assets.extra/serkit.json``; empty if there is no such file.
    """

    number: int
    path: Path
    signatures: Mapping[str, Signature]
    metadata: Mapping[str, Any]
    details: Mapping[str, Any]


def load_version(number: int, path: Path) -> LoadedVersion:
    """Load a SavedModel.

    Raises:
        InputError: if the SavedModel is damaged, or has no signatures.
    """
    try:
        proto = SavedModel.FromString((path / "saved_model.pb").read_bytes())
        graphs = [graph for graph in proto.meta_graphs if "serve" in graph.meta_info_def.tags]
        definitions = graphs[0].signature_def
        model = tf.saved_model.load(str(path), tags=["serve"])
        specs = {name: _spec(definitions[name]) for name in model.signatures}
        details = read_json(path / DETAILS) if (path / DETAILS).is_file() else {}
    # TensorFlow raises errors of many types for damaged files.
    except Exception as error:
        raise InputError(f"model {path} cannot be loaded: {_reason(error)}") from error
    if not specs:
        raise InputError(f"model {path} has no signatures")
    signatures = {name: Signature(name, spec, model) for name, spec in specs.items()}
    shown = {name: _as_json(definition) for name, definition in sorted(definitions.items())}
    return LoadedVersion(number, path, signatures, shown, details)


def _spec(definition: Any) -> SignatureSpec:
    return SignatureSpec(
        {name: _tensor_spec(info) for name, info in sorted(definition.inputs.items())},
        {name: _tensor_spec(info) for name, info in sorted(definition.outputs.items())},
    )


def _tensor_spec(info: Any) -> Spec:
    shape = tf.TensorShape(info.tensor_shape)
    known = None if shape.rank is None else tuple(shape.as_list())
    return Spec(tf.dtypes.as_dtype(info.dtype).name, known)


def _as_json(definition: Any) -> dict[str, Any]:
    # Include fields without a value, as TF Serving does. protobuf 5 has renamed this argument.
    known = inspect.signature(json_format.MessageToDict).parameters
    words = ("always_print_fields_with_no_presence", "including_default_value_fields")
    options: dict[str, Any] = {word: True for word in words if word in known}
    return json_format.MessageToDict(definition, preserving_proto_field_name=True, **options)


def _reason(error: Exception) -> str:
    """Return the first line of an error.

    For a graph execution error of TensorFlow, return the last line before the location in the
    graph.
    """
    text = (getattr(error, "message", "") or str(error)).strip()
    lines = text.partition("\n\t [[")[0].splitlines() or [type(error).__name__]
    return lines[-1 if text.startswith("Graph execution error") else 0]


_MOST = 1000
"""Maximum number of warm-up requests; TF Serving refuses to replay more."""


def warm_up(version: LoadedVersion) -> int:
    """Run the model's recorded warm-up requests; without them, predict a second of silence.

    A damaged file, or a request that the model does not accept, does not stop the server. The error
    is written to the log.

    Returns:
        The number of calls.
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
            # A second of silence.
            sound = np.array([to_wav(np.zeros(16_000, np.int16), 16_000)], object)
            _call(version, signatures.WAV, dict.fromkeys(inputs, sound))
            made = 1
    return made


def _call(version: LoadedVersion, name: str, tensors: dict[str, npt.NDArray[Any]]) -> None:
    signature = version.signatures[name]
    signature.spec.check(tensors)
    signature.run(tensors)


def _recorded(path: Path) -> Iterator[tuple[str, dict[str, npt.NDArray[Any]]]]:
    if not path.is_file():
        return
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    for record in tf.data.TFRecordDataset(str(path)).take(_MOST).as_numpy_iterator():
        request = PredictionLog.FromString(record).predict_log.request
        tensors = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        yield request.model_spec.signature_name or signatures.WAV, tensors
