"""Which requests are answered: HTTP without ambiguity, known hosts, no foreign pages, the token."""

import hmac
import ipaddress
import re
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import unquote

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from serkit.serving.server.http import HttpError, error_response
from serkit.serving.server.settings import ServeSettings

_ABSOLUTE_FORM = re.compile(rb"https?://(?P<host>[^/]+)(?P<path>.*)", re.IGNORECASE)
_HOST = re.compile(r"\[(?P<ipv6>[0-9a-f:.]+)\](:\d*)?|(?P<name>[^][:@/?#\s]*)(:\d*)?")
# What a browser needs to ask for the token, and what a health check needs. They tell nothing about
# the model.
_OPEN_PATHS = re.compile(r"/(healthz|readyz|page/[^/]*)?")


class Access:
    """ASGI middleware that refuses requests before the application sees them.

    - 400: a request with both ``Content-Length`` and ``Transfer-Encoding``, which a proxy and a
      server may read as different requests; HTTP/1.0 with ``Transfer-Encoding``; a target that is
      neither a path nor an absolute URL. An absolute URL is answered like its path, and its host
      counts instead of the header ``Host``.
    - 403: a host that is no IP address, no ``localhost``, and not among
      ``settings.allowed_hosts``. Otherwise a web page could give its own name the address of this
      server and then read its answers (DNS rebinding). Also an ``Origin`` other than the host: the
      request of another page.
    - 401: without ``settings.token`` in the header ``Authorization: Bearer …``; the page and the
      health checks do not need it.
    - 404: ``/metrics`` at another port than ``settings.metrics_port``, and the rest at that port.

    Args:
        app: the application.
        settings: settings of the server.

    Source: RFC 9112, sections 3.2.2, 6.1 and 6.3; RFC 6750, section 2.1.
    """

    def __init__(self, app: ASGIApp, settings: ServeSettings) -> None:
        self._app, self._settings = app, settings
        self._hosts = {_plain_name(name) for name in settings.allowed_hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = Request(scope)
            try:
                self._check(request)
            except HttpError as error:
                response = error_response(error, request, self._settings.max_bytes)
                return await response(scope, receive, send)
        await self._app(scope, receive, send)

    def _check(self, request: Request) -> None:
        _check_framing(request)
        host = _to_origin_form(request.scope)
        if host is None:
            host = request.headers.get("host")
        # Only HTTP/1.0 has requests without a host; browsers do not send them.
        if host is not None:
            self._check_host(host, request.headers.get("origin"))
        path = request.scope["path"]
        metrics_port = self._settings.metrics_port
        if metrics_port is not None:
            is_metrics_port = request.scope["server"][1] == metrics_port
            if is_metrics_port != (path == "/metrics"):
                raise HttpError(404, f"Not Found: {path[:100]}")
        if self._settings.token and not _OPEN_PATHS.fullmatch(path):
            self._check_token(request.headers.get("authorization", ""))

    def _check_host(self, host: str, origin: str | None) -> None:
        match = _HOST.fullmatch(host.lower())
        if not match:
            raise HttpError(400, f"Malformed request: host {host[:100]!r}")
        name = _plain_name(match["ipv6"] or match["name"])
        if not (_is_address(name) or name in self._hosts or _is_localhost(name)):
            raise HttpError(
                403,
                f"the host {name[:100]!r} is not allowed; --allowed-host of the server allows it",
            )
        if origin is not None and origin.lower().partition("://")[2] != host.lower():
            raise HttpError(403, f"pages of {origin[:100]!r} may not use this server")

    def _check_token(self, authorization: str) -> None:
        scheme, _, token = authorization.partition(" ")
        given, expected = token.strip().encode("latin-1"), self._settings.token.encode()
        # Both are compared in a time that does not depend on how many letters are right.
        if not hmac.compare_digest(given, expected) or scheme.lower() != "bearer":
            raise HttpError(401, "a valid token is missing: send Authorization: Bearer TOKEN")


def _check_framing(request: Request) -> None:
    has_encoding = "transfer-encoding" in request.headers
    is_old = request.scope["http_version"] == "1.0"
    if has_encoding and ("content-length" in request.headers or is_old):
        raise HttpError(400, "Malformed request: Transfer-Encoding with Content-Length or HTTP/1.0")


def _to_origin_form(scope: MutableMapping[str, Any]) -> str | None:
    """Reduce a target that is an absolute URL to its path; return its host, or None if it is none.

    Raises:
        HttpError: 400, if the target is neither a URL nor a path.
    """
    raw_path = scope["raw_path"]
    if raw_path.startswith(b"/"):
        return None
    match = _ABSOLUTE_FORM.fullmatch(raw_path)
    if not match:
        raise HttpError(400, f"Malformed request: target {raw_path[:100].decode('latin-1')!r}")
    scope["raw_path"] = match["path"] or b"/"
    scope["path"] = unquote(scope["raw_path"].decode("latin-1"))
    return match["host"].decode("latin-1")


def _plain_name(name: str) -> str:
    return name.lower().removesuffix(".")


def _is_localhost(name: str) -> bool:
    return name == "localhost" or name.endswith(".localhost")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
