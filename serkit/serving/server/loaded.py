"""A model version in memory, and its warm-up."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef, TensorInfo
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from serkit.audio.containers import to_wav
from serkit.errors import InputError
from serkit.export.operations import check_operations
from serkit.export.signatures import WAV
from serkit.export.versions import DETAILS_FILE, read_details
from serkit.export.warm_up import WARM_UP_FILE
from serkit.serving.protobuf_json import to_rest_json
from serkit.serving.server.http import HttpError
from serkit.serving.server.tensors import SignatureSpec, TensorSpec

_LOG = logging.getLogger("serkit")
_MAX_WARM_UP_REQUESTS = 1000
"""Number of recorded requests to run at most. TF Serving refuses a file with more of them."""


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
            HttpError: 400, if the model reports invalid input; 503, if there is not enough memory.
            tensorflow.errors.OpError: for any other error of the model.
        """
        inputs = {
            name: tf.constant(tensors[name], tf.dtypes.as_dtype(spec.dtype))
            for name, spec in self.spec.inputs.items()
        }
        try:
            outputs = self._function(**inputs)
            return {name: tensor.numpy() for name, tensor in outputs.items()}
        # TF Serving answers these errors with 400, too.
        except (
            tf.errors.InvalidArgumentError,
            tf.errors.OutOfRangeError,
            tf.errors.FailedPreconditionError,
        ) as error:
            raise HttpError(400, _error_line(error)) from error
        except (tf.errors.ResourceExhaustedError, MemoryError) as error:
            raise HttpError(503, "not enough memory for this request") from error


@dataclass(frozen=True)
class LoadedVersion:
    """Loaded version of a model.

    Attributes:
        number: number of the version.
        path: folder of the version.
        signatures: signatures by name.
        metadata: signatures by name, as JSON values in TF Serving's metadata format; includes
            TensorFlow's internal signatures, which :attr:`signatures` does not have.
        details: content of ``assets.extra/serkit.json``; empty if there is no such file.
    """

    number: int
    path: Path
    signatures: Mapping[str, Signature]
    metadata: Mapping[str, Any]
    details: Mapping[str, Any]


def load_version(number: int, path: Path, *, trust: bool = False) -> LoadedVersion:
    """Load a SavedModel.

    Args:
        number: number of the version.
        path: folder of the version.
        trust: load the model even if it reads or writes files, or runs Python code.

    Returns:
        The loaded version.

    Raises:
        InputError: if the folder has no readable SavedModel with the tag ``serve``, no signatures,
            or a damaged ``serkit.json``; without ``trust``, as
            :func:`serkit.export.operations.check_operations`.
    """
    if not trust:
        check_operations(path)
    try:
        saved_model = SavedModel.FromString((path / "saved_model.pb").read_bytes())
        graphs = [graph for graph in saved_model.meta_graphs if "serve" in graph.meta_info_def.tags]
        if not graphs:
            raise InputError("no graph with the tag `serve`")
        definitions = graphs[0].signature_def
        model = tf.saved_model.load(str(path), tags=["serve"])
        details = read_details(path) if (path / DETAILS_FILE).is_file() else {}
        rate = _sample_rate(details)
        specs = {name: _signature_spec(definitions[name], rate) for name in model.signatures}
    # TensorFlow raises errors of many types for damaged files.
    except Exception as error:
        raise InputError(f"model {path} cannot be loaded: {_error_line(error)}") from error
    if not specs:
        raise InputError(f"model {path} has no signatures")
    return LoadedVersion(
        number,
        path,
        signatures={name: Signature(name, spec, model) for name, spec in specs.items()},
        metadata={name: to_rest_json(definitions[name]) for name in sorted(definitions)},
        details=details,
    )


def _sample_rate(details: Any) -> int:
    """Return the rate in Hz in the spec of ``serkit.json``; that of most models if it has none."""
    spec = details.get("spec") if isinstance(details, dict) else None
    rate = spec.get("sample_rate") if isinstance(spec, dict) else None
    return rate if isinstance(rate, int) and rate > 0 else SignatureSpec.sample_rate


def _signature_spec(definition: SignatureDef, sample_rate: int) -> SignatureSpec:
    return SignatureSpec(
        inputs={name: _tensor_spec(info) for name, info in sorted(definition.inputs.items())},
        outputs={name: _tensor_spec(info) for name, info in sorted(definition.outputs.items())},
        sample_rate=sample_rate,
    )


def _tensor_spec(info: TensorInfo) -> TensorSpec:
    shape = info.tensor_shape
    sizes = tuple(None if dim.size == -1 else dim.size for dim in shape.dim)
    return TensorSpec(tf.dtypes.as_dtype(info.dtype).name, None if shape.unknown_rank else sizes)


def _error_line(error: Exception) -> str:
    """Return the first line of an error's message; without a message, the name of its class.

    For TensorFlow's ``Graph execution error``, return the last line before ``[[{{node …``.
    """
    text = (getattr(error, "message", "") or str(error)).strip()
    lines = text.partition("\n\t [[")[0].splitlines() or [type(error).__name__]
    return lines[-1 if text.startswith("Graph execution error") else 0]


def warm_up(version: LoadedVersion) -> int:
    """Run the model's recorded requests; if none could be run, predict one second of silence.

    If the file is damaged, or the model rejects a request, the error is logged and the remaining
    requests are skipped.

    Returns:
        The number of requests that were run.
    """
    path = version.path / WARM_UP_FILE
    request_count = _run_requests(version, _read_requests(path), str(path))
    return request_count or _run_requests(version, _silent_requests(version), "silence")


def _run_requests(
    version: LoadedVersion,
    requests: Iterable[tuple[str, dict[str, npt.NDArray[Any]]]],
    source: str,
) -> int:
    """Run requests until one fails; return how many were run."""
    request_count = 0
    try:
        for name, tensors in requests:
            signature = version.signatures[name]
            signature.spec.check(tensors)
            signature.run(tensors)
            request_count += 1
    except (
        tf.errors.OpError,
        HttpError,
        DecodeError,
        ValueError,
        TypeError,
        KeyError,
        ImportError,
    ) as error:
        reason = f"{type(error).__name__}: {_error_line(error)}"
        _LOG.warning("warm-up with %s stopped after %d requests: %s", source, request_count, reason)
    return request_count


def _silent_requests(version: LoadedVersion) -> Iterator[tuple[str, dict[str, npt.NDArray[Any]]]]:
    """Yield a request with one second of silence, if the model takes WAV files."""
    inputs = version.signatures[WAV].spec.inputs if WAV in version.signatures else {}
    # Only a signature with a single input of strings takes WAV files.
    if [spec.dtype for spec in inputs.values()] == ["string"]:
        second_of_silence = to_wav(np.zeros(16_000, np.int16), 16_000)
        yield WAV, dict.fromkeys(inputs, np.array([second_of_silence], object))


def _read_requests(path: Path) -> Iterator[tuple[str, dict[str, npt.NDArray[Any]]]]:
    """Yield the name of the signature and the inputs of each recorded request."""
    if not path.is_file():
        return
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    records = tf.data.TFRecordDataset(str(path)).take(_MAX_WARM_UP_REQUESTS)
    for record in records.as_numpy_iterator():
        request = PredictionLog.FromString(record).predict_log.request
        tensors = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        yield request.model_spec.signature_name or WAV, tensors
