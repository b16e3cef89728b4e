"""TF Serving's REST API: recordings as base64 in JSON. Imports no TensorFlow."""

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
from serkit.errors import InputError
from serkit.export import signatures
from serkit.serving.retries import (
    Again,
    ClientSettings,
    RefusedError,
    Retries,
    ServerError,
    retry_after,
)
from serkit.serving.transport import GRPC_PORT, REST_PORT, Address, Transport, shortened

_FLOATS = {signatures.PROBABILITIES, signatures.ENTROPY, signatures.MUTUAL_INFORMATION}


def to_body(signature: str, columns: Mapping[str, Sequence[Any]]) -> bytes:
    """Write a request in TF Serving's row format.

    Args:
        signature: name of the signature.
        columns: inputs by name, each with a value per example: bytes, arrays or integers.

    Returns:
        The JSON text of the request.
    """
    rows = zip(*columns.values(), strict=True)
    instances = [dict(zip(columns, map(_as_json, row), strict=True)) for row in rows]
    return json.dumps({"signature_name": signature, "instances": instances}).encode()


def to_rows(answer: Any, outputs: Sequence[str], count: int) -> list[dict[str, Any]]:
    """Convert an answer to rows.

    Args:
        answer: JSON value in TF Serving's row format, which it gives to ``instances``. It omits the
            name of a signature's only output.
        outputs: expected names of the outputs.
        count: number of examples.

    Returns:
        A row per example: the outputs by name. Outputs that are float32 in
        :mod:`serkit.export.signatures` are float32 arrays.

    Raises:
        KeyError, TypeError, ValueError: if ``answer`` has another form or number of rows.
    """
    rows = [row if isinstance(row, dict) else {outputs[0]: row} for row in answer["predictions"]]
    if len(rows) != count:
        raise ValueError(f"{len(rows)} rows")
    return [
        {name: np.asarray(v, np.float32) if name in _FLOATS else v for name, v in row.items()}
        for row in rows
    ]


def reason_in(content: bytes) -> str:
    """Return TF Serving's reason for an error, or the beginning of any other content."""
    try:
        return str(json.loads(content)["error"])
    except (ValueError, KeyError, TypeError):
        return shortened(content) if content else ""


def _as_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode("ascii")}
    return value.tolist() if isinstance(value, np.ndarray) else value


# Status codes of temporary failures of a server, or of a proxy in front of the server.
_PASSING = {429, 502, 503, 504}
# Status codes for one request: its content or size is invalid, or the model fails on it.
_REFUSED = {400, 413, 500}
_HEADERS = {"Content-Type": "application/json", "User-Agent": f"serkit/{serkit.__version__}"}
# Digits and comma of a float32 in JSON, where it is written with the digits of a float64.
_BYTES_PER_NUMBER = 22
_READ = 1 << 16


class RestTransport(Transport):
    """Transport to one model over HTTP.

    Proxies, certificates and ``.netrc`` are configured as for ``requests``. The arguments are those
    of :class:`serkit.serving.transport.Transport`; the scheme is ``http`` or ``https``.
    """

    def __init__(
        self, address: Address, settings: ClientSettings, retries: Retries | None = None
    ) -> None:
        super().__init__(address, settings, retries)
        self._session = requests.Session()

    def call(
        self, signature: str, columns: Mapping[str, Sequence[Any]], outputs: Sequence[str]
    ) -> list[dict[str, Any]]:
        """Return a row of outputs per example; see :meth:`.transport.Transport.call`."""
        count = len(next(iter(columns.values())))
        answer = self._send("POST", ":predict", to_body(signature, columns))
        try:
            return to_rows(answer, outputs, count)
        except (KeyError, TypeError, ValueError) as error:
            raise self._wrong_size(shortened(answer), count, outputs) from error

    def size(self, value: Any) -> int:
        if isinstance(value, bytes):
            return 4 * -(-len(value) // 3)
        return _BYTES_PER_NUMBER * value.size

    def close(self) -> None:
        self._session.close()

    def _status(self) -> Any:
        return self._send("GET", "")

    def _metadata(self) -> Any:
        return self._send("GET", "/metadata")

    def _send(self, method: str, what: str, body: bytes | None = None) -> Any:
        response, content = self._retried(lambda left: self._once(method, what, body, left))
        if response.status_code != 200:
            raise self._refusal(response, content)
        try:
            return json.loads(content)
        except ValueError as error:
            kind = response.headers.get("Content-Type", "no type")
            raise ServerError(
                f"{self.address} answers with no JSON, but {kind}: {shortened(content)}; TF "
                f"Serving's port for HTTP is usually {REST_PORT}"
            ) from error

    def _once(
        self, method: str, what: str, body: bytes | None, left: float
    ) -> tuple[requests.Response, bytes]:
        end = time.monotonic() + min(left, self._settings.read_seconds)
        limits = (min(left, self._settings.connect_seconds), min(left, self._settings.read_seconds))
        try:
            with self._session.request(
                method,
                self.address.url + what,
                data=body,
                headers=_HEADERS,
                timeout=limits,
                allow_redirects=False,
                stream=True,
            ) as response:
                content = _read(response, end)
        except requests.exceptions.SSLError as error:
            raise InputError(
                f"{self.address}: no TLS that can be trusted: {_cause(error)}; valid are http:// "
                "for a server without TLS, or its authority's certificate in $REQUESTS_CA_BUNDLE"
            ) from error
        except requests.ConnectTimeout as error:
            raise Again(f"no connection within {limits[0]:g} s") from error
        except (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError) as error:
            raise Again(f"no answer within {limits[1]:g} s") from error
        except (requests.ConnectionError, urllib3.exceptions.HTTPError) as error:
            raise Again(_broken(error)) from error
        except requests.RequestException as error:
            raise ServerError(f"{self.address} is not valid: {error}") from error
        if response.status_code in _PASSING:
            reason = f"it answers {response.status_code} {reason_in(content)}"
            raise Again(reason, retry_after(response.headers.get("Retry-After", "")))
        return response, content

    def _refusal(self, response: requests.Response, content: bytes) -> Exception:
        said = f"{response.status_code} {reason_in(content) or response.reason}"
        if response.status_code in _REFUSED:
            return RefusedError(f"{self.address} answers {said}")
        if response.status_code == 404:
            return self._missing(said)
        if response.is_redirect:
            return InputError(f"{self.address} has moved to {response.headers['Location']}")
        return ServerError(f"{self.address} answers {said}")


def _read(response: requests.Response, end: float) -> bytes:
    """Read the body, at most until ``end``.

    The timeout of ``requests`` does not limit the total time: it restarts with every byte.

    Raises:
        TimeoutError: if the body is not complete at ``end``.
        requests.ConnectionError: if the body is shorter than its declared length.
    """
    content = bytearray()
    while data := response.raw.read1(_READ, decode_content=True):
        content += data
        if time.monotonic() > end:
            raise TimeoutError
    missing = response.raw.length_remaining
    if missing:
        raise requests.ConnectionError(f"{missing} bytes of the answer did not come")
    return bytes(content)


def _broken(error: Exception) -> str:
    inner, cause = _innermost(error), _cause(error)
    if not isinstance(inner, http.client.BadStatusLine) or isinstance(inner, ConnectionError):
        return f"no connection: {cause}"
    # A TLS alert record begins with these bytes.
    if "\x15\x03" in cause:
        return "it speaks TLS; valid is https://"
    return f"no HTTP comes back, but {cause!r}; {GRPC_PORT} is usually gRPC, {REST_PORT} HTTP"


def _innermost(error: BaseException) -> BaseException:
    """Return the innermost error that requests and urllib3 have wrapped in their own errors."""
    inner = getattr(error, "reason", None) or (error.args[-1] if error.args else None)
    return _innermost(inner) if isinstance(inner, BaseException) else error


def _cause(error: BaseException) -> str:
    """Return the innermost reason, without the connection's name that urllib3 prepends."""
    reason = str(_innermost(error))
    return reason.partition("): ")[2] or reason
