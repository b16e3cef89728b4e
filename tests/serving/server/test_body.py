import asyncio
import contextlib

import pytest

pytest.importorskip("starlette", reason="no web server; it is in the extra serve")

from starlette.requests import Request

from serkit.serving.server.http import Allowance, HttpError, check_length, read_body


def _request(*chunks, length=None, then="end"):
    """A request whose body comes in chunks and then ends, stops, or breaks off."""
    headers = [] if length is None else [(b"content-length", str(length).encode())]
    left = list(chunks)

    async def receive():
        if left:
            more = len(left) > 1 or then != "end"
            return {"type": "http.request", "body": left.pop(0), "more_body": more}
        if then == "stop":
            await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    return Request({"type": "http", "headers": headers}, receive)


def _read(request, allowance=None, most=10, seconds=5.0):
    async def inside():
        room = allowance or Allowance(100)
        room.check(check_length(request, most))
        with room.account() as take:
            return await read_body(request, take, most, seconds)

    return asyncio.run(inside())


def test_a_body_in_chunks_is_whole():
    assert _read(_request(b"abc", b"", b"de")) == b"abcde"


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (_request(b"", length=11), 413),
        (_request(b"123456", b"7890", b"1"), 413),
        (_request(b"123456", b"78901", length=3), 413),
        (_request(b"123", then="stop"), 408),
        (_request(b"123", then="break"), 499),
    ],
)
def test_what_is_not_read(request_, code):
    with pytest.raises(HttpError) as caught:
        _read(request_, seconds=0.1)
    assert caught.value.code == code


def test_all_together_have_an_allowance_that_is_given_back():
    allowance = Allowance(15)
    with contextlib.ExitStack() as stack:
        stack.enter_context(allowance.account())(9)
        with pytest.raises(HttpError, match="too many bytes") as caught:
            _read(_request(b"", length=7), allowance)
        assert caught.value.code == 503
        # Chunked: nobody knows before.
        with pytest.raises(HttpError, match="too many bytes"):
            _read(_request(b"1234", b"5678"), allowance)
        assert _read(_request(b"123456", length=6), allowance) == b"123456"
    assert _read(_request(b"1234567890", length=10), allowance) == b"1234567890"
    with allowance.account() as take:
        with pytest.raises(HttpError):
            take(16)
        take(15)


def test_who_announces_much_and_sends_little_keeps_nobody_out():
    allowance = Allowance(15)

    async def inside():
        with allowance.account() as slow, allowance.account() as other:
            waiting = asyncio.create_task(
                read_body(_request(b"1", length=14, then="stop"), slow, 20, 5.0)
            )
            await asyncio.sleep(0.01)
            allowance.check(10)
            assert await read_body(_request(b"1234567890", length=10), other, 20, 5.0)
            waiting.cancel()

    asyncio.run(inside())


def test_lengths_that_are_none_count_as_unknown():
    assert check_length(_request(length="x"), 10) == 0
    assert check_length(_request(length="²"), 10) == 0
    with pytest.raises(HttpError):
        check_length(_request(length="9" * 30), 10)
