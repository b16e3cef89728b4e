"""HTTP answers, with the headers that all of them have."""

import asyncio
import json
from contextlib import suppress
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from serkit.serving.server.refusal import Refusal

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
