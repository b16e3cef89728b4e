"""HTTP requests and responses: bodies, headers, errors."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from serkit.errors import SerkitError

_MAX_MESSAGE_LENGTH = 500


class HttpError(SerkitError):
    """Error of a request, which becomes an HTTP response with the body ``{"error": message}``.

    Attributes:
        code: HTTP status code: 400 for an invalid request, 401, 403, 404, 408, 413, 500, 503 or
            504; 499 if the client has disconnected.
        message: message, truncated to 500 characters.
    """

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        if len(message) > _MAX_MESSAGE_LENGTH:
            message = message[: _MAX_MESSAGE_LENGTH - 1] + "…"
        self.message: str = message
        super().__init__(message)


def format_value(value: object, max_length: int = 80) -> str:
    """Format a value of a request for a message.

    Args:
        value: value from JSON. Of a list or an object, only the type is named.
        max_length: number of characters after which the text is truncated.
    """
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "an object"
    # Truncate a string before repr, which would copy all of it, for example half a megabyte.
    text = repr(value[:max_length]) if isinstance(value, str) else str(value)
    return text if len(text) <= max_length else text[:max_length] + "…"


_HEADERS = {"X-Content-Type-Options": "nosniff"}
_HEADERS_BY_CODE = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "1"}}
_MAX_DISCARDED_BYTES, _MAX_DISCARDING_SECONDS = 2**28, 1.0


def json_response(value: Any) -> Response:
    """Return a response with a value as JSON."""
    return content_response(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


def content_response(content: bytes, media_type: str = "application/json") -> Response:
    """Return a response with the given content and status code 200."""
    return Response(content, 200, _HEADERS, media_type)


def answer_response(content: bytes) -> Response:
    """Return a response with code 200 whose call ends only when its content was sent.

    The response drops its reference to the content when the connection has it.
    """
    return _SentResponse(content, 200, _HEADERS, "application/json")


def error_response(error: HttpError, request: Request, max_bytes: int) -> Response:
    """Return the response to a request that failed: ``{"error": message}``, as TF Serving does.

    If the rest of the request's body may be long, or does not come (code 408), the response also
    closes the connection, after the client had time to read the response.

    Args:
        error: code and message. The response with 503 has ``Retry-After: 1`` (second), that with
            401 ``WWW-Authenticate: Bearer``.
        request: request that failed.
        max_bytes: maximum size of a body in bytes.
    """
    content = json.dumps({"error": error.message}, ensure_ascii=False).encode("utf-8", "replace")
    headers = _HEADERS | _HEADERS_BY_CODE.get(error.code, {})
    if error.code != 408 and _is_rest_short(request, max_bytes):
        return Response(content, error.code, headers, "application/json")
    headers |= {"Connection": "close"}
    return _ClosingResponse(content, error.code, headers, "application/json")


def _is_rest_short(request: Request, max_bytes: int) -> bool:
    """Return whether at most ``max_bytes`` bytes of the body are not read yet."""
    if getattr(request.state, "is_read", False):
        return True
    if "transfer-encoding" in request.headers:
        return False
    length = _declared_length(request)
    return length is not None and length <= max_bytes


def _declared_length(request: Request) -> int | None:
    """Return the ``Content-Length`` of a request; None if the header is not a number."""
    text = request.headers.get("content-length", "0")
    return int(text) if text.isascii() and text.isdecimal() else None


class _SentResponse(Response):
    """Response whose call ends when the system has taken its bytes, or the connection is closed."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **head})
        body, self.body = self.body, b""
        await send({"type": "http.response.body", "body": body, "more_body": True})
        del body
        await self._before_end(receive)
        # uvicorn waits here until the system has taken all bytes before.
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _before_end(self, receive: Receive) -> None:
        """Run after the body was passed to the connection."""


class _ClosingResponse(_SentResponse):
    """Response that is sent before the whole body of the request was read.

    If the server closes a connection while the client still sends, many clients report a broken
    connection instead of the response. So the server reads on for at most a second or 256 MiB,
    discards the data, and then closes the connection.
    """

    async def _before_end(self, receive: Receive) -> None:
        discarded_bytes, has_more = 0, True
        with suppress(TimeoutError):
            async with asyncio.timeout(_MAX_DISCARDING_SECONDS):
                while has_more and discarded_bytes < _MAX_DISCARDED_BYTES:
                    message = await receive()
                    discarded_bytes += len(message.get("body", b""))
                    has_more = message["type"] == "http.request" and message.get("more_body", False)


class Allowance:
    """Limit on the total size of what many requests keep in memory at the same time.

    Args:
        max_bytes: maximum total size in bytes.
    """

    def __init__(self, max_bytes: int) -> None:
        self._bytes_left = max_bytes

    def check(self, byte_count: int) -> None:
        """Check that ``byte_count`` bytes are left.

        Raises:
            HttpError: 503, if fewer bytes are left.
        """
        if byte_count > self._bytes_left:
            raise HttpError(503, "too many bytes are being processed; try again")

    @contextmanager
    def account(self) -> Iterator[Callable[[int], None]]:
        """Open an account for one request.

        Yields:
            A function that takes a number of bytes. It raises HttpError (503) if fewer bytes are
            left. All bytes that it took are returned at the end of the ``with`` block.
        """
        taken_bytes = 0

        def take(byte_count: int) -> None:
            nonlocal taken_bytes
            self.check(byte_count)
            self._bytes_left -= byte_count
            taken_bytes += byte_count

        try:
            yield take
        finally:
            self._bytes_left += taken_bytes


async def read_body(
    request: Request, take: Callable[[int], None], max_bytes: int, timeout: float
) -> bytes:
    """Read the whole body of a request.

    Args:
        request: the request.
        take: takes a number of bytes from the :class:`Allowance`.
        max_bytes: maximum size of the body in bytes.
        timeout: maximum time in seconds.

    Returns:
        The body.

    Raises:
        HttpError: 413 if the body is longer than ``max_bytes``; 408 if it is not complete after
            ``timeout`` seconds; 503 if the allowance has too few bytes left; 499 if the client
            disconnects.
    """
    chunks, length = [], 0
    try:
        async with asyncio.timeout(timeout):
            async for chunk in request.stream():
                length += len(chunk)
                if length > max_bytes:
                    raise _body_too_long(max_bytes)
                take(len(chunk))
                chunks.append(chunk)
    except TimeoutError:
        raise HttpError(408, f"the body is not complete after {timeout:g} s") from None
    except ClientDisconnect:
        raise HttpError(499, "the client has disconnected") from None
    return b"".join(chunks)


def check_length(request: Request, max_bytes: int) -> int:
    """Return the ``Content-Length`` of a request; 0 if the header is missing or not a number.

    Raises:
        HttpError: 413, if the length is more than ``max_bytes``.
    """
    length = _declared_length(request) or 0
    if length > max_bytes:
        raise _body_too_long(max_bytes)
    return length


def _body_too_long(max_bytes: int) -> HttpError:
    return HttpError(413, f"the body is longer than {max_bytes} bytes")
