"""The server process: socket, signals, shutdown."""

import contextlib
import errno
import math
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from serkit.errors import InputError, SerkitError
from serkit.serving.server.settings import ServeSettings

try:
    import uvicorn

    from serkit.serving.server.app import build_app
    from serkit.serving.server.http import Protocol
    from serkit.serving.server.service import Service
except ImportError as _error:
    raise InputError(f"{_error.name} is missing; pip install 'serkit[serve]'") from _error

_CONNECTIONS = 512
"""Maximum number of simultaneous connections; uvicorn answers 503 to further requests. Most systems
allow a process 1024 open files."""


def serve(
    model: Path, settings: ServeSettings, host: str, port: int, say: Callable[[str], None]
) -> Service:
    """Serve a model until SIGTERM or SIGINT.

    After the signal, the server accepts no new connections. It answers the requests in progress,
    for at most ``settings.time_out`` seconds. Then the function returns.

    Args:
        model: folder of versions, or of one version.
        settings: settings of the server.
        host: address to listen at.
        port: port to listen at; 0 for any free port.
        say: called with a line of text when the server listens, and again when it is ready.

    Returns:
        The service. Its ``is_busy`` is True if one of its threads is still working.

    Raises:
        InputError: if there is no model. The import of this module raises it if the extra ``serve``
            is not installed.
        SerkitError: if the model cannot be loaded, or the server cannot listen at ``host`` and
            ``port``.
    """
    service = Service(model, settings)
    with _listening(host, port) as listener:
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{listener.getsockname()[1]}/"
        versions = ", ".join(map(str, service.paths))
        say(f"{service.name}, version {versions}, at {address}")
        config = uvicorn.Config(
            build_app(service),
            http=Protocol,
            # uvicorn's log configuration would close other libraries' handlers, and with absl's
            # handler the stream that it writes to.
            log_config=None,
            log_level="error",
            access_log=False,
            limit_concurrency=_CONNECTIONS,
            timeout_graceful_shutdown=math.ceil(settings.time_out),
            server_header=False,
        )
        _Server(config, service, say).run(sockets=[listener])
    if service.failure:
        raise service.failure
    return service


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY only on sockets with the explicit protocol IPPROTO_TCP. Without this
    # option, an answer that is sent in two pieces is 40 ms late.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_CONNECTIONS)
    except OSError as error:
        listener.close()
        raise SerkitError(
            f"cannot listen at port={port} of host={host!r}: "
            f"{(error.strerror or str(error)).lower()}; {_what_to_do(error)}"
        ) from error
    return listener


def _what_to_do(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "end what listens there, or choose another port, 0 for any"
    if error.errno == errno.EACCES:
        return "choose a port of 1024 or more"
    return "valid is an address of this machine, such as 127.0.0.1, or 0.0.0.0 for all of them"


class _Server(uvicorn.Server):
    """uvicorn server that stops if its model cannot be loaded, and survives SIGTERM and SIGINT."""

    def __init__(
        self, config: uvicorn.Config, service: Service, say: Callable[[str], None]
    ) -> None:
        super().__init__(config)
        self._service, self._say, self._began = service, say, time.monotonic()
        self._said = False

    async def on_tick(self, counter: int) -> bool:
        if self._service.is_ready and not self._said:
            self._said = True
            self._say(f"ready after {time.monotonic() - self._began:.1f} s")
        return bool(self._service.failure) or await super().on_tick(counter)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals. uvicorn's method raises them again at the end, which ends the process."""
        numbers = signal.SIGTERM, signal.SIGINT
        before = {number: signal.signal(number, self.handle_exit) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
