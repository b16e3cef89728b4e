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

_MAX_CONNECTIONS = 512
"""Maximum number of simultaneous connections; uvicorn answers 503 to further requests. Each needs
an open file, and most systems allow a process 1024 of them."""


def serve(
    model: Path, settings: ServeSettings, host: str, port: int, print_line: Callable[[str], None]
) -> Service:
    """Serve a model until the process receives SIGTERM or SIGINT.

    After the signal, the server accepts no new connections. It answers the requests in progress,
    for at most ``settings.time_out`` seconds. Then the function returns.

    Args:
        model: folder of versions, or of one version.
        settings: settings of the server.
        host: address to listen at.
        port: port to listen at; 0 for any free port.
        print_line: called with a line of text when the server listens, and again when it is ready.

    Returns:
        The service. Its ``is_busy`` is True if a thread still runs a batch or loads a version.

    Raises:
        InputError: if there is no model. The import of this module raises it if the extra ``serve``
            is not installed.
        SerkitError: if the model cannot be loaded, or the server cannot listen at ``host`` and
            ``port``.
    """
    service = Service(model, settings)
    with _open_listener(host, port) as listener:
        url_host = f"[{host}]" if ":" in host else host
        address = f"http://{url_host}:{listener.getsockname()[1]}/"
        versions = ", ".join(map(str, service.paths))
        print_line(
            f"loading {service.name}, version {versions}; from the next line on it predicts at "
            f"{address}"
        )
        config = uvicorn.Config(
            build_app(service),
            http=Protocol,
            # uvicorn's log configuration would close the handlers of other libraries. When absl's
            # handler is closed, it closes the stream that it writes to.
            log_config=None,
            log_level="error",
            access_log=False,
            limit_concurrency=_MAX_CONNECTIONS,
            timeout_graceful_shutdown=math.ceil(settings.time_out),
            server_header=False,
        )
        _Server(config, service, print_line).run(sockets=[listener])
    if service.failure:
        raise service.failure
    return service


def _open_listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Name the protocol: asyncio sets TCP_NODELAY only on sockets with IPPROTO_TCP. Without
    # TCP_NODELAY, a response that is sent in two pieces is 40 ms late.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_MAX_CONNECTIONS)
    except OSError as error:
        listener.close()
        raise SerkitError(
            f"cannot listen at port={port} of host={host!r}: "
            f"{(error.strerror or str(error)).lower()}; {_advice(error)}"
        ) from error
    return listener


def _advice(error: OSError) -> str:
    """Return what the user can do about an error of ``bind``."""
    if error.errno == errno.EADDRINUSE:
        return "end what listens there, or choose another port, 0 for any"
    if error.errno == errno.EACCES:
        return "choose a port of 1024 or more"
    return "valid is an address of this machine, such as 127.0.0.1, or 0.0.0.0 for all of them"


class _Server(uvicorn.Server):
    """uvicorn server that also stops if its model cannot be loaded.

    After SIGTERM or SIGINT, ``run`` returns; the process goes on.
    """

    def __init__(
        self, config: uvicorn.Config, service: Service, print_line: Callable[[str], None]
    ) -> None:
        super().__init__(config)
        self._service = service
        self._print_line = print_line
        self._start_time = time.monotonic()
        self._is_ready_printed = False

    async def on_tick(self, counter: int) -> bool:
        """Return whether to stop; uvicorn calls this method ten times a second."""
        if self._service.is_ready and not self._is_ready_printed:
            self._is_ready_printed = True
            self._print_line(f"ready after {time.monotonic() - self._start_time:.1f} s")
        return bool(self._service.failure) or await super().on_tick(counter)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop the server at a signal.

        uvicorn's method also raises the signals again at the end, which would end the process.
        """
        previous_handlers = {
            number: signal.signal(number, self.handle_exit)
            for number in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            yield
        finally:
            for number, handler in previous_handlers.items():
                signal.signal(number, handler)
