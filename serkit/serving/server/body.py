"""The bodies of requests: how much of them is read, and how much is kept."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import ClientDisconnect, Request

from serkit.serving.server.refusal import Refusal


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
