import asyncio
import contextlib
import functools
import logging
import select
import socket
import threading
from collections.abc import Iterator

import pytest

uvicorn = pytest.importorskip("uvicorn", reason="no web server; it is in the extra serve")

from uvicorn.protocols.http.h11_impl import H11Protocol  # noqa: E402

from serkit.serving.server.protocol import Protocol  # noqa: E402

_HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
_START = {"type": "http.response.start", "status": 404, "headers": []}


async def _hasty(scope, receive, send) -> None:
    """Answers before it has read anything."""
    await send(_START)
    await send({"type": "http.response.body", "body": b"no"})


async def _slow(scope, receive, send) -> None:
    """Begins to answer, and ends when all was said."""
    await send(_START)
    await send({"type": "http.response.body", "body": b"no", "more_body": True})
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.body", "body": b""})


def _limited(time_out: float = 30, max_connections: int = 10):
    return functools.partial(Protocol, time_out=time_out, max_connections=max_connections)


@contextlib.contextmanager
def _running(app, protocol) -> Iterator[tuple[str, int]]:
    """The address of a server of an application."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, http=protocol, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield listener.getsockname()
    finally:
        server.should_exit = server.force_exit = True
        thread.join(20)


def _rest(connection: socket.socket) -> bytes:
    """All that comes until the server closes the connection, which may be broken."""
    received = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65_536):
            received += piece
    return bytes(received)


@pytest.fixture
def ask(caplog):
    """What comes back for some pieces, which are sent one after the other, and what was logged."""

    def ask(app, protocol, *pieces: bytes) -> tuple[bytes, list[str]]:
        received = b""
        with (
            _running(app, protocol) as address,
            socket.create_connection(address, 30) as connection,
        ):
            for number, piece in enumerate(pieces):
                if number:
                    received += connection.recv(65_536)
                connection.sendall(piece)
            received += _rest(connection)
        return received, [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR]

    return ask


@pytest.mark.parametrize(
    ("app", "pieces", "code"),
    [
        (_hasty, [_HEAD + b"no number\r\n"], b"400"),
        (_slow, [_HEAD, b"no number\r\n"], b"404"),
        (_hasty, [_HEAD.replace(b"POST", b"HEAD") + b"no number\r\n"], b"400"),
    ],
    ids=["in one piece", "later", "HEAD"],
)
def test_a_body_that_is_no_http_is_no_error_of_the_server(ask, app, pieces, code):
    received, logged = ask(app, _limited(), *pieces)
    assert received.startswith(b"HTTP/1.1 " + code)
    assert logged == []
    # Otherwise there would be nothing to mend.
    _, logged = ask(app, H11Protocol, *pieces)
    assert logged


def test_what_is_http_is_answered(ask):
    received, logged = ask(_slow, _limited(), _HEAD, b"1\r\nx\r\n0\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 404")
    assert logged == []


_GET = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("start", "piece"),
    [(b"", b""), (b"GET / HTTP/1.1\r\n", b"X: y\r\n"), (_HEAD, b"1\r\nx\r\n")],
    ids=["nothing", "a slow head", "a slow body after the answer"],
)
def test_who_is_too_slow_is_closed(start, piece):
    with (
        _running(_hasty, _limited(time_out=0.3)) as address,
        socket.create_connection(address, 30) as connection,
    ):
        connection.sendall(start)
        # Ends when the server closes the connection.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while not select.select([connection], [], [], 0.02)[0] or connection.recv(65_536):
                connection.sendall(piece)


def test_who_does_not_read_is_closed():
    sent = threading.Event()

    async def talk(scope, receive, send) -> None:
        await send(_START)
        await send({"type": "http.response.body", "body": b"x" * 2**24, "more_body": True})
        # Only now does it count whether the client reads.
        await send({"type": "http.response.body", "body": b""})
        sent.set()

    with (
        _running(talk, _limited(time_out=0.3)) as address,
        socket.create_connection(address, 30) as connection,
    ):
        connection.sendall(_GET)
        assert sent.wait(20)
        # What the system still had is not kept, either.
        with pytest.raises(ConnectionResetError):
            list(iter(functools.partial(connection.recv, 2**20), b""))
    sent.clear()
    with (
        _running(talk, _limited()) as address,
        socket.create_connection(address, 30) as connection,
    ):
        connection.sendall(_GET)
        assert not sent.wait(0.5)
        assert len(_rest(connection)) > 2**24
        assert sent.wait(20)


def test_a_new_connection_takes_the_place_of_the_one_that_waits_longest(caplog, monkeypatch):
    monkeypatch.setattr("serkit.serving.server.protocol._TIME_FOR_A_REQUEST", 0)
    with contextlib.ExitStack() as stack:
        address = stack.enter_context(_running(_slow, _limited(max_connections=3)))

        def connect(start: bytes) -> socket.socket:
            connection = stack.enter_context(socket.create_connection(address, 30))
            connection.sendall(start)
            return connection

        # The oldest has a request, so that those without one go first.
        asking = connect(_HEAD)
        assert asking.recv(100).startswith(b"HTTP/1.1 404")
        first, second = connect(b"G"), connect(b"G")
        for longest in (first, second):
            assert _rest(connect(_GET)).startswith(b"HTTP/1.1 404")
            assert _rest(longest) == b""
            connect(b"G")
        asking.sendall(b"0\r\n\r\n")
        assert asking.recv(100)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_a_connection_that_has_just_begun_does_not_go_before_one_with_half_a_request():
    with (
        _running(_slow, _limited(max_connections=2)) as address,
        socket.create_connection(address, 30) as asking,
    ):
        asking.sendall(_HEAD)
        assert asking.recv(100).startswith(b"HTTP/1.1 404")
        with socket.create_connection(address, 30) as fresh, socket.create_connection(address, 30):
            # The answer that had begun ends here.
            _rest(asking)
            fresh.sendall(_GET)
            assert _rest(fresh).startswith(b"HTTP/1.1 404")


def test_if_all_wait_for_the_server_a_new_connection_is_closed(caplog):
    go, begun = threading.Event(), threading.Event()

    async def think(scope, receive, send) -> None:
        begun.set()
        await asyncio.to_thread(go.wait, 20)
        await _hasty(scope, receive, send)

    with (
        _running(think, _limited(max_connections=1)) as address,
        socket.create_connection(address, 30) as asking,
    ):
        asking.sendall(_GET)
        assert begun.wait(20)
        with socket.create_connection(address, 30) as other:
            assert _rest(other) == b""
        go.set()
        assert _rest(asking).startswith(b"HTTP/1.1 404")
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
