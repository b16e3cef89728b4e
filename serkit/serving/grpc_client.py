"""TF Serving's gRPC API. Imports TensorFlow for its messages."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from serkit.serving.retries import Again, ClientSettings, RefusedError, Retries, ServerError
from serkit.serving.transport import GRPC_PORT, Address, Transport

_Code = grpc.StatusCode
_PASSING = {_Code.UNAVAILABLE, _Code.RESOURCE_EXHAUSTED, _Code.DEADLINE_EXCEEDED}
# Codes for one request: its content is invalid, or the model fails on it.
_REFUSED = {_Code.INVALID_ARGUMENT, _Code.FAILED_PRECONDITION, _Code.OUT_OF_RANGE, _Code.INTERNAL}
# Metadata key of gRPC's retry mechanism: how long a server asks its clients to wait.
_PUSHBACK = "grpc-retry-pushback-ms"


class GrpcTransport(Transport):
    """Transport to one model over gRPC without TLS.

    The arguments are those of :class:`serkit.serving.transport.Transport`; the scheme is ``grpc``.
    """

    def __init__(
        self, address: Address, settings: ClientSettings, retries: Retries | None = None
    ) -> None:
        super().__init__(address, settings, retries)
        self._channel = grpc.insecure_channel(address.server, _options(settings))
        self._predicting = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._watching = model_service_pb2_grpc.ModelServiceStub(self._channel)
        self._model = model_pb2.ModelSpec(name=address.model)
        if address.version is not None:
            self._model.version.value = address.version

    def call(
        self, signature: str, columns: Mapping[str, Sequence[Any]], outputs: Sequence[str]
    ) -> list[dict[str, Any]]:
        """Return a row of outputs per example; see :meth:`.transport.Transport.call`."""
        count = len(next(iter(columns.values())))
        request = predict_pb2.PredictRequest(model_spec=self._model)
        request.model_spec.signature_name = signature
        for name, values in columns.items():
            request.inputs[name].CopyFrom(_as_tensor(values))
        answer = self._send(self._predicting.Predict, request)
        found = {name: tf.make_ndarray(tensor) for name, tensor in answer.outputs.items()}
        if not {len(values) if values.ndim else 0 for values in found.values()} <= {count}:
            shapes = ", ".join(f"{name} {values.shape}" for name, values in sorted(found.items()))
            raise self._wrong_size(shapes, count, outputs)
        return [{name: values[row] for name, values in found.items()} for row in range(count)]

    def size(self, value: Any) -> int:
        return len(value) if isinstance(value, bytes) else value.nbytes

    def close(self) -> None:
        self._channel.close()

    def _status(self) -> Any:
        request = get_model_status_pb2.GetModelStatusRequest(model_spec=self._model)
        return _as_json(self._send(self._watching.GetModelStatus, request))

    def _metadata(self) -> Any:
        request = get_model_metadata_pb2.GetModelMetadataRequest(
            model_spec=self._model, metadata_field=["signature_def"]
        )
        return _as_json(self._send(self._predicting.GetModelMetadata, request))

    def _send(self, method: Callable[..., Any], request: Any) -> Any:
        advice = f"; TF Serving's port for gRPC is usually {GRPC_PORT}"
        return self._retried(lambda left: self._once(method, request, left), advice)

    def _once(self, method: Callable[..., Any], request: Any, left: float) -> Any:
        limit = min(left, self._settings.read_seconds)
        try:
            return method(request, timeout=limit)
        except grpc.RpcError as error:
            code, said = error.code(), error.details() or "no reason given"
            if code is _Code.DEADLINE_EXCEEDED:
                raise Again(f"no answer within {limit:g} s") from error
            if code in _PASSING:
                raise Again(f"{code.name}: {said}", _pushback(error)) from error
            raise self._refusal(code, said) from error

    def _refusal(self, code: grpc.StatusCode, said: str) -> Exception:
        if code in _REFUSED:
            return RefusedError(f"{self.address} answers {code.name}: {said}")
        if code is _Code.NOT_FOUND:
            return self._missing(said)
        if code is _Code.UNIMPLEMENTED:
            return self._unlike(f"{code.name}: {said}")
        return ServerError(f"{self.address} answers {code.name}: {said}")


def _options(settings: ClientSettings) -> list[tuple[str, int]]:
    connect = max(1, round(settings.connect_seconds * 1000))
    pause = max(100, round(settings.pause_seconds * 1000))
    return [
        # A batch of long recordings is larger than gRPC's default limit of 4 MiB.
        ("grpc.max_send_message_length", -1),
        ("grpc.max_receive_message_length", -1),
        # Retries repeats the requests, not gRPC. The channel itself restores a broken connection;
        # the values below say when.
        ("grpc.enable_retries", 0),
        ("grpc.min_reconnect_backoff_ms", connect),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", pause),
    ]


def _as_tensor(values: Sequence[Any]) -> Any:
    if isinstance(values[0], bytes):
        return tf.make_tensor_proto(list(values), tf.string)
    if isinstance(values[0], np.ndarray):
        return tf.make_tensor_proto(np.stack(values), tf.float32)
    return tf.make_tensor_proto(list(values), tf.int32)


def _as_json(message: Any) -> Any:
    """Return the JSON form of a message, which TF Serving's REST API uses."""
    return json.loads(json_format.MessageToJson(message, preserving_proto_field_name=True))


def _pushback(error: Any) -> float:
    for key, value in error.trailing_metadata() or ():
        if key == _PUSHBACK and str(value).isdecimal():
            return int(value) / 1000
    return 0.0
