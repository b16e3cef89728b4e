"""HTTP connections: their number, deadlines for clients, and invalid bodies."""

import asyncio
import socket
import struct
from contextlib import suppress
from typing import Any, cast

import h11
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

# On, for 0 seconds.
_NO_LINGERING = struct.pack("ii", 1, 0)
_TIME_FOR_A_REQUEST = 1.0
"""Seconds in which a connection without a request is not closed before those with one."""


class Protocol(H11Protocol):
    """HTTP protocol of uvicorn for clients that send nothing, read nothing, or send no HTTP.

    - If there are ``max_connections`` connections, a new one takes the place of the one that has
      waited longest for its client; those without a request for a second go first. If none waits
      for its client, the new one is closed.
    - A connection is closed ``time_out`` seconds after its beginning or its last response, unless
      the head of a request has come; and if the client does not read a response in that time.
      The time for a body is that of :func:`serkit.serving.server.http.read_body`.
    - If the body of a request turns out to be invalid HTTP, uvicorn sends a response with code 400,
      even if the application has already sent a response or sends one later. And the response to
      HEAD gets a body, which HTTP does not allow. Each of these cases raises an error, which
      uvicorn logs as an error of the server. This class prevents the errors.

    Args:
        config, server_state, app_state, _loop: arguments of uvicorn's protocol.
        time_out: maximum time in seconds.
        max_connections: maximum number of connections.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        time_out: float,
        max_connections: int,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._time_out, self._max_connections = time_out, max_connections
        # Time at which the connection began to wait for its client.
        self._waiting_since = self.loop.time()
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    @property
    def _has_request(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def _waits_for_client(self) -> bool:
        return not self._has_request or self.cycle.more_body or self.flow.write_paused

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept a connection, or close one."""
        self.transport = cast("asyncio.Transport", transport)
        if len(self.connections) >= self._max_connections and not self._close_another():
            self.transport.abort()
            return
        super().connection_made(self.transport)
        # Report that writing is paused while the system has not taken all bytes. By default up to
        # 64 KiB could wait without a time limit.
        self.transport.set_write_buffer_limits(high=0)
        self._expect_head()

    def _close_another(self) -> bool:
        """Close the connection that has waited longest for its client; return whether one has."""
        others = [other for other in self.connections if isinstance(other, Protocol)]
        waiting = [other for other in others if other._waits_for_client]
        if not waiting:
            return False
        # The request of a connection that has just begun may be on its way.
        silent_since = self.loop.time() - _TIME_FOR_A_REQUEST
        longest = min(
            waiting,
            key=lambda other: (
                other._has_request or other._waiting_since > silent_since,
                other._waiting_since,
            ),
        )
        self.connections.discard(longest)
        longest._abort()
        return True

    def _abort(self) -> None:
        """Close the connection, and drop the rest, which the system would keep for minutes."""
        self.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGERING
        )
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timers, too."""
        for timer in (self._head_timer, self._write_timer):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Stop the timer for the head when a request begins."""
        super().handle_events()
        if self._has_request and self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
            self._waiting_since = self.loop.time()

    def on_response_complete(self) -> None:
        """Expect the rest of the request, and the head of the next."""
        self._expect_head()
        super().on_response_complete()

    def _expect_head(self) -> None:
        self._waiting_since = self.loop.time()
        if self._head_timer is not None:
            self._head_timer.cancel()
        self._head_timer = self.loop.call_later(self._time_out, self.timeout_keep_alive_handler)

    def pause_writing(self) -> None:
        """Start the timer for the client to read; asyncio calls this method."""
        super().pause_writing()
        self._waiting_since = self.loop.time()
        self._write_timer = self.loop.call_later(self._time_out, self._abort)

    def resume_writing(self) -> None:
        """Stop the timer; asyncio calls this method when the system has taken all bytes."""
        if self._write_timer is not None:
            self._write_timer.cancel()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Send 400 if that is still possible, and close the connection."""
        with suppress(h11.LocalProtocolError):
            super().send_400_response(msg)
        self.transport.close()
        if self.cycle is not None:
            # Discard all that the application sends from now on.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
