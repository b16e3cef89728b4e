"""Transport over TF Serving's gRPC API. Imports TensorFlow.

Requests and responses hold tensors as TensorFlow's ``TensorProto`` messages.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from serkit.serving.protobuf_json import to_rest_json
from serkit.serving.retries import (
    ClientSettings,
    RefusedError,
    Retries,
    ServerError,
    TemporaryError,
)
from serkit.serving.transport import GRPC_PORT, MAX_ANSWER_BYTES, Address, Transport, to_line

_Code = grpc.StatusCode
# Codes of temporary failures of a server. RESOURCE_EXHAUSTED may also mean that a message is too
# large for the server; then all attempts fail.
_TEMPORARY_CODES = {_Code.UNAVAILABLE, _Code.RESOURCE_EXHAUSTED}
# Codes that concern one request: its content is invalid, or the model fails on it.
_REFUSED_CODES = {
    _Code.INVALID_ARGUMENT,
    _Code.FAILED_PRECONDITION,
    _Code.OUT_OF_RANGE,
    _Code.INTERNAL,
}
# Metadata key of gRPC's retry mechanism: the milliseconds that a server asks its clients to wait.
_PUSHBACK_KEY = "grpc-retry-pushback-ms"
# Minimum that gRPC accepts for the pauses between connection attempts.
_MIN_PAUSE_MS = 100


class GrpcTransport(Transport):
    """Transport to one model over gRPC without TLS.

    The arguments are those of :class:`serkit.serving.transport.Transport`; the scheme is ``grpc``.
    """

    def __init__(
        self, address: Address, settings: ClientSettings, retries: Retries | None = None
    ) -> None:
        super().__init__(address, settings, retries)
        self._channel = grpc.insecure_channel(address.server, _channel_options(settings))
        self._prediction_service = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._model_service = model_service_pb2_grpc.ModelServiceStub(self._channel)
        self._model_spec = model_pb2.ModelSpec(name=address.model)
        if address.version is not None:
            self._model_spec.version.value = address.version

    def call(
        self, signature: str, columns: Mapping[str, Sequence[Any]], outputs: Sequence[str]
    ) -> list[dict[str, Any]]:
        """Call a signature; see :meth:`serkit.serving.transport.Transport.call`."""
        example_count = len(next(iter(columns.values())))
        request = predict_pb2.PredictRequest(model_spec=self._model_spec)
        request.model_spec.signature_name = signature
        for name, values in columns.items():
            request.inputs[name].CopyFrom(_to_tensor_proto(values))
        response = self._send(self._prediction_service.Predict, request)
        try:
            arrays = {name: tf.make_ndarray(tensor) for name, tensor in response.outputs.items()}
        except (TypeError, ValueError) as error:
            raise self._wrong_rows_error(to_line(str(error)), example_count, outputs) from error
        if any(array.shape[:1] != (example_count,) for array in arrays.values()):
            shapes = ", ".join(f"{name} {array.shape}" for name, array in sorted(arrays.items()))
            raise self._wrong_rows_error(shapes, example_count, outputs)
        return [
            {name: array[row] for name, array in arrays.items()} for row in range(example_count)
        ]

    def request_size(self, value: Any) -> int:
        return len(value) if isinstance(value, bytes) else value.nbytes

    def close(self) -> None:
        self._channel.close()

    def _request_status(self) -> Any:
        request = get_model_status_pb2.GetModelStatusRequest(model_spec=self._model_spec)
        return to_rest_json(self._send(self._model_service.GetModelStatus, request))

    def _request_metadata(self) -> Any:
        request = get_model_metadata_pb2.GetModelMetadataRequest(
            model_spec=self._model_spec, metadata_field=["signature_def"]
        )
        return to_rest_json(self._send(self._prediction_service.GetModelMetadata, request))

    def _send(self, method: Callable[..., Any], request: Any) -> Any:
        """Send a request to a method of a service; return the response."""
        return self._run_with_retries(
            lambda seconds_left: self._attempt(method, request, seconds_left),
            advice=f"; TF Serving's port for gRPC is usually {GRPC_PORT}",
        )

    def _attempt(self, method: Callable[..., Any], request: Any, seconds_left: float) -> Any:
        """Send a request once; return the response."""
        timeout = min(seconds_left, self._settings.read_seconds)
        try:
            return method(request, timeout=timeout)
        except grpc.RpcError as error:
            code, reason = error.code(), error.details() or "no reason given"
            if code is _Code.DEADLINE_EXCEEDED:
                raise TemporaryError(f"no answer within {timeout:g} s") from error
            if code in _TEMPORARY_CODES:
                raise TemporaryError(f"{code.name}: {reason}", _pushback_seconds(error)) from error
            raise self._permanent_error(code, reason) from error

    def _permanent_error(self, code: grpc.StatusCode, reason: str) -> Exception:
        """Return the error for a code that is not temporary."""
        if code in _REFUSED_CODES:
            return RefusedError(f"{self.address} answers {code.name}: {reason}")
        if code is _Code.NOT_FOUND:
            return self._model_not_found_error(reason)
        if code is _Code.UNIMPLEMENTED:
            return self._not_tf_serving_error(f"{code.name}: {reason}")
        return ServerError(f"{self.address} answers {code.name}: {reason}")


def _channel_options(settings: ClientSettings) -> list[tuple[str, int]]:
    connect_ms = max(1, round(settings.connect_seconds * 1000))
    pause_ms = max(_MIN_PAUSE_MS, round(settings.pause_seconds * 1000))
    return [
        # A batch of long recordings is larger than gRPC's default limit of 4 MiB.
        ("grpc.max_send_message_length", -1),
        ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),
        # The class Retries repeats requests, not gRPC. But gRPC restores a broken connection.
        ("grpc.enable_retries", 0),
        # Despite its name, this option is the timeout of a connection attempt.
        ("grpc.min_reconnect_backoff_ms", connect_ms),
        # First and longest pause between connection attempts. During a pause requests fail at
        # once, so the longest is about as long as the first pause of Retries.
        ("grpc.initial_reconnect_backoff_ms", _MIN_PAUSE_MS),
        ("grpc.max_reconnect_backoff_ms", pause_ms),
    ]


def _to_tensor_proto(values: Sequence[Any]) -> Any:
    """Stack a value per example: bytes to string, arrays to float32, integers to int32."""
    if isinstance(values[0], bytes):
        return tf.make_tensor_proto(list(values), tf.string)
    if isinstance(values[0], np.ndarray):
        return tf.make_tensor_proto(np.stack(values), tf.float32)
    return tf.make_tensor_proto(list(values), tf.int32)


def _pushback_seconds(error: Any) -> float:
    """Return the time that the server asks the client to wait; 0 if it does not ask.

    A negative value, by which a server forbids retries, is ignored.
    """
    milliseconds = str(dict(error.trailing_metadata() or ()).get(_PUSHBACK_KEY, ""))
    return int(milliseconds) / 1000 if milliseconds.isdecimal() else 0.0
