"""Session of requests whose read timeout limits the head of a response, also if it trickles in."""

import socket
import threading
from contextlib import suppress
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


def new_session() -> requests.Session:
    """Return a session in which the read timeout limits the whole head of a response.

    It does not limit the body, and not the responses of proxies.
    """
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter())
    return session


class _HttpConnection(HTTPConnection):
    """Connection that closes if the head of a response is not complete within the read timeout.

    By itself, the read timeout restarts with every byte.
    """

    def getresponse(self) -> Any:
        if self.timeout is None:
            return super().getresponse()
        expired, connected_socket = threading.Event(), self.sock

        def shut_down() -> None:
            expired.set()
            with suppress(OSError):
                connected_socket.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(self.timeout, shut_down)
        timer.daemon = True
        timer.start()
        try:
            return super().getresponse()
        finally:
            timer.cancel()
            # http.client takes the end of a connection for the end of a head.
            if expired.is_set():
                raise TimeoutError


class _HttpsConnection(_HttpConnection, HTTPSConnection):
    pass


class _HttpPool(HTTPConnectionPool):
    ConnectionCls: Any = _HttpConnection


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls: Any = _HttpsConnection


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
