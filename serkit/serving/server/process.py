"""The server process: socket, signals, shutdown."""

import contextlib
import errno
import functools
import ipaddress
import math
import signal
import socket
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from serkit.errors import InputError, SerkitError
from serkit.serving.server.settings import ServeSettings

try:
    import uvicorn

    from serkit.serving.server.app import build_app
    from serkit.serving.server.protocol import Protocol
    from serkit.serving.server.service import Service
except ImportError as _error:
    raise InputError(f"{_error.name} is missing; pip install 'serkit[serve]'") from _error

try:
    import resource
except ImportError:  # Windows, where sockets are no files.
    resource = None

_MAX_CONNECTIONS = 512
_ACCEPTED_AT_ONCE = 32
"""Number of connections that asyncio accepts before it closes any of them."""
_OTHER_FILES = 64 + 4 * _ACCEPTED_AT_ONCE
"""Open files that are kept for the process itself, and for connections that are about to be closed:
asyncio closes a connection three rounds of its loop after it was accepted."""


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
    service = Service(model, replace(settings, allowed_hosts=(*settings.allowed_hosts, host)))
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(_open_listener(host, port))
        listeners = [listener]
        _warn_if_open(listener, settings)
        if settings.metrics_port is not None:
            listeners.append(stack.enter_context(_open_listener(host, settings.metrics_port)))
            service.settings = replace(service.settings, metrics_port=_port(listeners[-1]))
        url_host = f"[{host}]" if ":" in host else host
        address = f"http://{url_host}:{_port(listener)}/"
        versions = ", ".join(map(str, service.paths))
        print_line(
            f"loading {service.name}, version {versions}; from the next line on it predicts at "
            f"{address}"
        )
        config = uvicorn.Config(
            build_app(service),
            http=_protocol(settings),
            # uvicorn's log configuration would close the handlers of other libraries. When absl's
            # handler is closed, it closes the stream that it writes to.
            log_config=None,
            log_level="error",
            access_log=False,
            backlog=_ACCEPTED_AT_ONCE,
            timeout_graceful_shutdown=math.ceil(settings.time_out),
            server_header=False,
        )
        _Server(config, service, print_line).run(sockets=listeners)
    if service.failure:
        raise service.failure
    return service


def _protocol(settings: ServeSettings) -> Any:
    """Return what builds the protocol of each connection."""
    return functools.partial(
        Protocol, time_out=settings.time_out, max_connections=_max_connections()
    )


def _max_connections() -> int:
    """Return the number of connections that the limit of open files allows, at most 512."""
    if resource is None:
        return _MAX_CONNECTIONS
    open_files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if open_files == resource.RLIM_INFINITY:
        return _MAX_CONNECTIONS
    return max(1, min(_MAX_CONNECTIONS, open_files - _OTHER_FILES))


def _port(listener: socket.socket) -> int:
    return listener.getsockname()[1]


def _warn_if_open(listener: socket.socket, settings: ServeSettings) -> None:
    """Warn if other machines can reach a listener."""
    address = listener.getsockname()[0]
    if not ipaddress.ip_address(address).is_loopback:
        token = "" if settings.token else " and without a token"
        warnings.warn(
            f"other machines can reach {address}, without encryption{token}; see docs/serving.md "
            "for a proxy with TLS",
            stacklevel=2,
        )


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

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and let the system keep more new connections than asyncio accepts at once."""
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(_MAX_CONNECTIONS)

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
