import logging
import socket
import threading

import pytest

uvicorn = pytest.importorskip("uvicorn", reason="no web server; it is in the extra serve")

from uvicorn.protocols.http.h11_impl import H11Protocol  # noqa: E402

from serkit.serving.server.http import Protocol  # noqa: E402

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


@pytest.fixture
def ask(caplog):
    """What comes back for some pieces, which are sent one after the other, and what was logged."""

    def ask(app, protocol, *pieces: bytes) -> tuple[bytes, list[str]]:
        listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(app, http=protocol, lifespan="off", log_config=None)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        received = b""
        with socket.create_connection(listener.getsockname(), 30) as connection:
            for number, piece in enumerate(pieces):
                if number:
                    received += connection.recv(65_536)
                connection.sendall(piece)
            while more := connection.recv(65_536):
                received += more
        server.should_exit = True
        thread.join(20)
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
    received, logged = ask(app, Protocol, *pieces)
    assert received.startswith(b"HTTP/1.1 " + code)
    assert logged == []
    # Otherwise there would be nothing to mend.
    _, logged = ask(app, H11Protocol, *pieces)
    assert logged


def test_what_is_http_is_answered(ask):
    received, logged = ask(_slow, Protocol, _HEAD, b"1\r\nx\r\n0\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 404")
    assert logged == []
