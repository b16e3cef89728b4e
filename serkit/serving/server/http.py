"""HTTP requests and responses: bodies, headers, errors."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import h11
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from serkit.errors import SerkitError

_LONGEST = 500


class Refusal(SerkitError):
    """Error that is sent as the answer ``{"error": message}``.

    Attributes:
        code: HTTP status code: 400 for an invalid request, 404, 408, 413, 500, 503 or 504; 499 if
            the client has disconnected.
        message: message, truncated to 500 characters.
    """

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        self.message: str = message if len(message) <= _LONGEST else message[: _LONGEST - 1] + "…"
        super().__init__(self.message)


def shown(value: object, longest: int = 80) -> str:
    """Format a value of a request for a message: truncated; of lists and objects the kind only."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    # Truncate a text before repr, which would copy all of it, for example half a megabyte.
    text = repr(value[:longest]) if isinstance(value, str) else str(value)
    return text if len(text) <= longest else text[:longest] + "…"


_HEADERS = {"X-Content-Type-Options": "nosniff"}
_DRAINED_BYTES, _DRAINED_SECONDS = 2**28, 1.0


def json_answer(value: Any) -> Response:
    """Return a response with a value as JSON."""
    return written(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


def written(content: bytes, media_type: str = "application/json") -> Response:
    """Return a response with the given content."""
    return Response(content, 200, _HEADERS, media_type)


def refused(refusal: Refusal, request: Request, most: int) -> Response:
    """Return a response ``{"error": ...}``, in the form of TF Serving.

    Args:
        refusal: code and message. The response to 503 has ``Retry-After: 1`` (second).
        request: refused request. If its body was not read and may have more than ``most`` bytes, or
            if the code is 408, the connection is closed after the client had time to read the
            answer.
        most: maximum size of a body in bytes.
    """
    content = json.dumps({"error": refusal.message}, ensure_ascii=False)
    headers = _HEADERS | ({"Retry-After": "1"} if refusal.code == 503 else {})
    kind = Response if _ends_soon(request, most) and refusal.code != 408 else _Last
    return kind(content.encode("utf-8", "replace"), refusal.code, headers, "application/json")


def _ends_soon(request: Request, most: int) -> bool:
    if getattr(request.state, "is_read", False):
        return True
    length = _declared_length(request)
    short = length is not None and length <= most
    return short and "transfer-encoding" not in request.headers


def _declared_length(request: Request) -> int | None:
    declared = request.headers.get("content-length", "0")
    return int(declared) if declared.isascii() and declared.isdecimal() else None


class _Last(Response):
    """Response that is sent before the whole body of the request was read.

    If the server closes a connection while the client still sends, many clients report a broken
    connection instead of the answer. So the server reads on for at most a second or 256 MiB,
    discards the data, and then closes the connection.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [*self.raw_headers, (b"connection", b"close")]
        start = {"type": "http.response.start", "status": self.status_code, "headers": headers}
        await send(start)
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        dropped, more = 0, True
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAINED_SECONDS):
                while more and dropped < _DRAINED_BYTES:
                    message = await receive()
                    dropped += len(message.get("body", b""))
                    more = message["type"] == "http.request" and message.get("more_body", False)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class Allowance:
    """Limit on the total size of the bodies of all requests that are not answered yet.

    Args:
        most: maximum number of bytes.
    """

    def __init__(self, most: int) -> None:
        self._left = most

    def check(self, count: int) -> None:
        """Check that ``count`` bytes are left.

        Raises:
            Refusal: 503, if fewer bytes are left.
        """
        if count > self._left:
            raise Refusal(503, "too many bytes are being processed; try again")

    @contextmanager
    def account(self) -> Iterator[Callable[[int], None]]:
        """Yield a function that takes bytes for one request; the block's end returns them all.

        Raises:
            Refusal: 503, by the function, if fewer bytes are left.
        """
        taken = 0

        def take(count: int) -> None:
            nonlocal taken
            self.check(count)
            self._left -= count
            taken += count

        try:
            yield take
        finally:
            self._left += taken


async def read_body(
    request: Request, take: Callable[[int], None], most: int, seconds: float
) -> bytes:
    """Read the whole body of a request.

    Args:
        request: the request.
        take: takes the bytes from the :class:`Allowance`.
        most: maximum number of bytes.
        seconds: timeout.

    Raises:
        Refusal: 413 if the body is longer than ``most`` bytes; 408 if it is not complete after
            ``seconds``; 503 if the allowance has too few bytes left; 499 if the client disconnects.
    """
    chunks, length = [], 0
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                length += len(chunk)
                if length > most:
                    raise _too_long(most)
                take(len(chunk))
                chunks.append(chunk)
    except TimeoutError:
        raise Refusal(408, f"the body is not complete after {seconds:g} s") from None
    except ClientDisconnect:
        raise Refusal(499, "the client has disconnected") from None
    return b"".join(chunks)


def check_length(request: Request, most: int) -> int:
    """Return the ``Content-Length`` of a request, 0 if it is missing or not a number.

    Raises:
        Refusal: 413, if the length is more than ``most``.
    """
    length = _declared_length(request) or 0
    if length > most:
        raise _too_long(most)
    return length


def _too_long(most: int) -> Refusal:
    return Refusal(413, f"the body is longer than {most} bytes")


class Protocol(H11Protocol):
    """HTTP protocol of uvicorn that handles an invalid body during an answer.

    If the body of a request turns out to be invalid HTTP while the request is being answered,
    uvicorn sends 400. It does so even if the application has sent an answer, or is about to send
    one. The 400 has a body even for HEAD, whose answers have none. All these cases end as errors of
    the server in the log.
    """

    def send_400_response(self, msg: str) -> None:
        """Send 400 if that is still possible, and close the connection."""
        with suppress(h11.LocalProtocolError):
            super().send_400_response(msg)
        self.transport.close()
        if self.cycle is not None:
            # Discard all that the application sends from now on.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
