"""HTTP requests and responses: bodies, headers, errors."""

import asyncio
import json
from collections.abc import Iterator
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
    """Becomes the answer ``{"error": message}``.

    Attributes:
        code: HTTP's: 400 for a request that cannot be meant, 404, 408, 413, 503, 504.
        message: at most 500 characters, whatever was sent.
    """

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        self.message = message if len(message) <= _LONGEST else message[: _LONGEST - 1] + "…"
        super().__init__(self.message)


def shown(value: object, longest: int = 80) -> str:
    """A word or a number that was sent, short enough for a message; of lists the kind alone."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    # Half a megabyte of text is not turned into another one first.
    text = repr(value[:longest]) if isinstance(value, str) else str(value)
    return text if len(text) <= longest else text[:longest] + "…"


_HEADERS = {"X-Content-Type-Options": "nosniff"}
_DRAINED_BYTES, _DRAINED_SECONDS = 2**28, 1.0


def json_answer(value: Any, code: int = 200) -> Response:
    """A value as JSON."""
    return written(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"), code=code)


def written(content: bytes, media_type: str = "application/json", code: int = 200) -> Response:
    """An answer with that content."""
    return Response(content, code, _HEADERS, media_type)


def refused(refusal: Refusal, request: Request, most: int) -> Response:
    """``{"error": ...}`` as TF Serving has it.

    Args:
        refusal: says the code; 503 comes with the advice to try again in a second.
        request: if its body was not read, and may have more than ``most`` bytes, the connection is
            closed, once the other side had time to read the answer.
        most: that a body may have.
    """
    content = json.dumps({"error": refusal.message}, ensure_ascii=False)
    headers = dict(_HEADERS)
    if refusal.code == 503:
        headers["Retry-After"] = "1"
    kind = Response if _ends_soon(request, most) and refusal.code != 408 else _Last
    return kind(content.encode("utf-8", "replace"), refusal.code, headers, "application/json")


def _ends_soon(request: Request, most: int) -> bool:
    if getattr(request.state, "is_read", False):
        return True
    declared = request.headers.get("content-length", "0")
    short = declared.isascii() and declared.isdecimal() and int(declared) <= most
    return short and "transfer-encoding" not in request.headers


class _Last(Response):
    """An answer before all of the question was read.

    If a connection is closed while somebody still sends, many clients see a broken connection
    instead of the answer. So they are listened to for a second, and what they say is dropped.
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
    """Bytes of the bodies of all requests that are not answered yet.

    Args:
        most: that there may be.
    """

    def __init__(self, most: int) -> None:
        self._left = most

    @contextmanager
    def share(self) -> Iterator["Share"]:
        """What one request has of it, until it is answered."""
        share = Share(self)
        try:
            yield share
        finally:
            self._left += share.taken

    def check(self, count: int) -> None:
        """That so many bytes are left.

        Raises:
            Refusal: 503, if not.
        """
        if count > self._left:
            raise Refusal(503, "too many bytes are being worked on; try again")

    def take(self, count: int) -> None:
        """Take so many bytes.

        Raises:
            Refusal: 503, if there are not so many left.
        """
        self.check(count)
        self._left -= count


class Share:
    """A request's bytes; attribute ``taken`` says how many."""

    def __init__(self, allowance: Allowance) -> None:
        self.allowance, self.taken = allowance, 0

    def add(self, count: int) -> None:
        """Have so many bytes more.

        Raises:
            Refusal: 503, if there are not so many left.
        """
        self.allowance.take(count)
        self.taken += count


async def read_body(request: Request, share: Share, most: int, seconds: float) -> bytes:
    """A request's whole body.

    Raises:
        Refusal: 413 if it is longer than ``most`` bytes, told by its head if that says so; 408 if
            it is not there after so many seconds; 503 if too much is being worked on; 499 if
            nobody is there any more.
    """
    # What is announced is not taken yet: who announces much and sends nothing keeps nobody out.
    share.allowance.check(check_length(request, most))
    chunks, length = [], 0
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                length += len(chunk)
                if length > most:
                    raise _too_long(most)
                share.add(len(chunk))
                chunks.append(chunk)
    except TimeoutError:
        raise Refusal(408, f"the body was not there after {seconds:g} s") from None
    except ClientDisconnect:
        raise Refusal(499, "nobody is there any more") from None
    return b"".join(chunks)


def check_length(request: Request, most: int) -> int:
    """What a request's head says of its length, 0 if nothing.

    Raises:
        Refusal: 413, if it is more than ``most``.
    """
    declared = request.headers.get("content-length", "0")
    length = int(declared) if declared.isascii() and declared.isdecimal() else 0
    if length > most:
        raise _too_long(most)
    return length


def _too_long(most: int) -> Refusal:
    return Refusal(413, f"the body is longer than {most} bytes")


class Protocol(H11Protocol):
    """uvicorn's, for a request whose body turns out not to be HTTP while it is being answered.

    It says 400 then, whatever the application has said already or is about to say, and with a body
    even to HEAD, which has none; all of these end as errors of the server in the log.
    """

    def send_400_response(self, msg: str) -> None:
        """Answer as far as that is still possible, and hang up."""
        with suppress(h11.LocalProtocolError):
            super().send_400_response(msg)
        self.transport.close()
        if self.cycle is not None:
            # What the application says from now on is dropped.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
