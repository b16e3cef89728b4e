"""Transport over TF Serving's REST API: recordings as base64 in JSON. Imports no TensorFlow."""

import base64
import http.client
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import requests
import urllib3

import serkit
from serkit.datasets.http_session import new_session
from serkit.errors import InputError
from serkit.export import signatures
from serkit.serving.retries import (
    ClientSettings,
    RefusedError,
    Retries,
    ServerError,
    TemporaryError,
    parse_retry_after,
)
from serkit.serving.transport import (
    GRPC_PORT,
    MAX_ANSWER_BYTES,
    REST_PORT,
    Address,
    Transport,
    to_line,
)

_FLOAT_OUTPUTS = {signatures.PROBABILITIES, signatures.ENTROPY, signatures.MUTUAL_INFORMATION}


def write_request(signature: str, columns: Mapping[str, Sequence[Any]]) -> bytes:
    """Write the body of a request in TF Serving's row format.

    Args:
        signature: name of the signature.
        columns: inputs by name, each with a value per example: bytes, arrays or integers.

    Returns:
        The JSON text of the request.
    """
    rows = zip(*columns.values(), strict=True)
    instances = [dict(zip(columns, map(_as_json, row), strict=True)) for row in rows]
    return json.dumps({"signature_name": signature, "instances": instances}).encode()


def read_rows(answer: Any, outputs: Sequence[str], example_count: int) -> list[dict[str, Any]]:
    """Read the rows of an answer in TF Serving's row format.

    Args:
        answer: JSON value. If the signature has a single output, TF Serving omits its name.
        outputs: expected names of the outputs.
        example_count: number of examples in the request.

    Returns:
        A row per example: the outputs by name. Outputs that are float32 in
        :mod:`serkit.export.signatures` are float32 arrays.

    Raises:
        KeyError, TypeError, ValueError, OverflowError: if ``answer`` has another form or number of
            rows.
    """
    rows = [row if isinstance(row, dict) else {outputs[0]: row} for row in answer["predictions"]]
    if len(rows) != example_count:
        raise ValueError(f"{len(rows)} rows")
    return [
        {
            name: np.asarray(value, np.float32) if name in _FLOAT_OUTPUTS else value
            for name, value in row.items()
        }
        for row in rows
    ]


def read_error(body: bytes) -> str:
    """Return the message of TF Serving's error, or the beginning of any other body."""
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return to_line(body) if body else ""


def _as_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode("ascii")}
    return value.tolist() if isinstance(value, np.ndarray) else value


# Status codes of temporary failures of a server, or of a proxy in front of the server.
_TEMPORARY_CODES = {429, 502, 503, 504}
# Status codes that concern one request: its content or size is invalid, or the model fails on it.
_REFUSED_CODES = {400, 413, 500}
# End of the message of ``serkit serve`` while it loads a version.
_LOADING = " is being loaded"
_HEADERS = {"Content-Type": "application/json", "User-Agent": f"serkit/{serkit.__version__}"}
# Approximate length of a float32 number and a comma in JSON. Python writes the number with the
# digits of a float64.
_BYTES_PER_NUMBER = 22
_CHUNK_BYTES = 1 << 16


class RestTransport(Transport):
    """Transport to one model over HTTP.

    Proxies, certificates and ``.netrc`` are configured as for ``requests``. The arguments are those
    of :class:`serkit.serving.transport.Transport`; the scheme is ``http`` or ``https``.
    """

    def __init__(
        self, address: Address, settings: ClientSettings, retries: Retries | None = None
    ) -> None:
        super().__init__(address, settings, retries)
        self._session = new_session()
        if settings.token:
            self._session.auth = self._add_token

    def call(
        self, signature: str, columns: Mapping[str, Sequence[Any]], outputs: Sequence[str]
    ) -> list[dict[str, Any]]:
        """Call a signature; see :meth:`serkit.serving.transport.Transport.call`."""
        example_count = len(next(iter(columns.values())))
        answer = self._send("POST", ":predict", write_request(signature, columns))
        try:
            return read_rows(answer, outputs, example_count)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise self._wrong_rows_error(to_line(answer), example_count, outputs) from error

    def request_size(self, value: Any) -> int:
        if isinstance(value, bytes):
            return 4 * -(-len(value) // 3)
        return _BYTES_PER_NUMBER * value.size

    def close(self) -> None:
        self._session.close()

    def _request_status(self) -> Any:
        return self._send("GET", "")

    def _request_metadata(self) -> Any:
        return self._send("GET", "/metadata")

    def _send(self, method: str, path: str, body: bytes | None = None) -> Any:
        """Send a request to a path after the model's URL; return the JSON value of the answer."""
        response, content = self._run_with_retries(
            lambda seconds_left: self._attempt(method, path, body, seconds_left)
        )
        if response.status_code != 200:
            raise self._permanent_error(response, content)
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            media_type = response.headers.get("Content-Type", "no type")
            raise ServerError(
                f"{self.address} answers with no JSON, but {media_type}: {to_line(content)}; TF "
                f"Serving's port for HTTP is usually {REST_PORT}"
            ) from error

    def _attempt(
        self, method: str, path: str, body: bytes | None, seconds_left: float
    ) -> tuple[requests.Response, bytes]:
        """Send a request once; return the response and its body."""
        connect_timeout = min(seconds_left, self._settings.connect_seconds)
        read_timeout = min(seconds_left, self._settings.read_seconds)
        deadline = time.monotonic() + read_timeout
        try:
            with self._session.request(
                method,
                self.address.url + path,
                data=body,
                headers=_HEADERS,
                timeout=(connect_timeout, read_timeout),
                allow_redirects=False,
                stream=True,
            ) as response:
                content = _read_body(response, deadline)
        except requests.exceptions.SSLError as error:
            raise InputError(
                f"{self.address}: no TLS that can be trusted: {_innermost_reason(error)}; valid "
                "are http:// for a server without TLS, or its authority's certificate in "
                "$REQUESTS_CA_BUNDLE"
            ) from error
        except requests.ConnectTimeout as error:
            raise TemporaryError(f"no connection within {connect_timeout:g} s") from error
        except (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError) as error:
            raise TemporaryError(f"no answer within {read_timeout:g} s") from error
        except (requests.ConnectionError, urllib3.exceptions.HTTPError) as error:
            raise TemporaryError(_connection_problem(error)) from error
        except requests.RequestException as error:
            raise ServerError(f"{self.address} is not valid: {error}") from error
        if response.status_code in _TEMPORARY_CODES:
            wait_seconds = parse_retry_after(response.headers.get("Retry-After", ""))
            message = read_error(content)
            raise TemporaryError(
                f"it answers {response.status_code} {message}",
                wait_seconds,
                is_loading=response.status_code == 503 and message.endswith(_LOADING),
            )
        return response, content

    def _add_token(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        # With a header of the session instead, requests would prefer a password in ~/.netrc.
        request.headers["Authorization"] = f"Bearer {self._settings.token}"
        return request

    def _permanent_error(self, response: requests.Response, content: bytes) -> Exception:
        """Return the error for a status code that is neither 200 nor temporary."""
        reason = f"{response.status_code} {read_error(content) or response.reason}"
        if response.status_code in _REFUSED_CODES:
            return RefusedError(f"{self.address} answers {reason}")
        if response.status_code == 401:
            return InputError(f"{self.address} needs a valid token (`token_file`): {reason}")
        if response.status_code == 404:
            return self._model_not_found_error(reason)
        if response.is_redirect:
            return InputError(f"{self.address} has moved to {response.headers['Location']}")
        return ServerError(f"{self.address} answers {reason}")


def _read_body(response: requests.Response, deadline: float) -> bytes:
    """Read the body of a response until a time of the monotonic clock.

    The timeout of ``requests`` does not limit the total time: it restarts with every byte.

    Raises:
        ServerError: if the body has more than :data:`MAX_ANSWER_BYTES` bytes.
        TimeoutError: if the body is not complete at ``deadline``.
        requests.ConnectionError: if the body is shorter than its declared length.
    """
    body = bytearray()
    while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise ServerError(f"an answer of more than {MAX_ANSWER_BYTES} bytes")
        if time.monotonic() > deadline:
            raise TimeoutError
    missing_bytes = response.raw.length_remaining
    if missing_bytes:
        raise requests.ConnectionError(f"{missing_bytes} bytes of the answer did not come")
    return bytes(body)


def _connection_problem(error: Exception) -> str:
    """Describe why there is no HTTP connection, and what may listen at the port instead."""
    innermost, reason = _innermost(error), _innermost_reason(error)
    is_bad_status_line = isinstance(innermost, http.client.BadStatusLine)
    # http.client.RemoteDisconnected is both: the server closed the connection without an answer.
    if not is_bad_status_line or isinstance(innermost, ConnectionError):
        return f"no connection: {reason}"
    # A TLS alert record begins with these bytes.
    if "\x15\x03" in reason:
        return "it speaks TLS; valid is https://"
    return f"no HTTP comes back, but {reason!r}; {GRPC_PORT} is usually gRPC, {REST_PORT} HTTP"


def _innermost(error: BaseException) -> BaseException:
    """Return the innermost of the errors that requests and urllib3 wrap in each other."""
    inner = getattr(error, "reason", None) or (error.args[-1] if error.args else None)
    return _innermost(inner) if isinstance(inner, BaseException) else error


def _innermost_reason(error: BaseException) -> str:
    """Return the message of the innermost error, without the connection that urllib3 prepends."""
    reason = str(_innermost(error))
    return reason.partition("): ")[2] or reason
