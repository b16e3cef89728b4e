"""Where a model is served, and what it is called there."""

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from serkit.errors import InputError

REST_PORT, GRPC_PORT = 8501, 8500
"""What TF Serving's image listens on."""
VALID = (
    f"http://HOST:{REST_PORT}/v1/models/NAME, https://HOST/v1/models/NAME and "
    f"grpc://HOST:{GRPC_PORT}/NAME, each with /versions/N after it if it has to be that version"
)
"""All forms that an address may have, for messages."""
_PORTS = {"http": 80, "https": 443, "grpc": GRPC_PORT}
_VERSIONED = r"(?P<model>[^/:]+)(?:/versions/(?P<version>\d+))?"
_REST_PATH = re.compile(rf"(?P<prefix>.*?)/v1/models/{_VERSIONED}")
_GRPC_PATH = re.compile(rf"(?P<prefix>)(?:/v1/models)?/{_VERSIONED}")
_NAME = re.compile(r"[\w.~-]+", re.ASCII)


@dataclass(frozen=True)
class Address:
    """A model at a server.

    Attributes:
        scheme: ``http``, ``https`` or ``grpc``.
        host: a name or a number, IPv6 without brackets.
        port: from 1 to 65535.
        model: its name at the server.
        version: None for the newest that the server has.
        prefix: what a proxy wants before ``/v1``, over HTTP; empty, or with a slash before it.
    """

    scheme: str
    host: str
    port: int
    model: str
    version: int | None = None
    prefix: str = ""

    @property
    def server(self) -> str:
        """``host:port``, as gRPC takes it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """Of the model over HTTP; ``:predict`` and ``/metadata`` go after it."""
        version = "" if self.version is None else f"/versions/{self.version}"
        return f"{self.scheme}://{self.server}{self.prefix}/v1/models/{self.model}{version}"

    def __str__(self) -> str:
        if self.scheme != "grpc":
            return self.url
        version = "" if self.version is None else f"/versions/{self.version}"
        return f"grpc://{self.server}/{self.model}{version}"


def is_address(text: str) -> bool:
    """Whether it is meant as an address rather than as a folder; it may be a wrong one."""
    return "://" in text


def parse_address(text: str, model: str = "", version: int | None = None) -> Address:
    """Take an address apart.

    Args:
        text: one of :data:`VALID`. Without a port it is 80, 443 or, for gRPC, 8500. The path may
            be missing if ``model`` is given.
        model: the model's name at the server. There is no default, and TF Serving lists none.
        version: 0 or more; None for the address's, or the newest.

    Raises:
        InputError: if it is none of these, or says something else than the arguments.
    """
    parts, port = _split(text)
    path = parts.path.rstrip("/")
    form = _GRPC_PATH if parts.scheme == "grpc" else _REST_PATH
    match = form.fullmatch(path)
    if not match and not (model and (not path or parts.scheme != "grpc")):
        raise InputError(
            f"address {text!r} does not name a model, which TF Serving does not tell; valid are "
            f"{VALID}"
        )
    named = (match["model"] if match else "") or model
    given = int(match["version"]) if match and match["version"] else version
    if model not in ("", named) or version not in (None, given):
        raise InputError(
            f"address {text!r} is not of model={model!r}, version={version!r}; say it once"
        )
    if not _NAME.fullmatch(named) or (given or 0) < 0:
        raise InputError(
            f"model={named!r}, version={given!r} at {text!r}; valid are a name of letters, digits, "
            "'.', '_', '-' and '~', and a version of 0 or more"
        )
    prefix = match["prefix"] if match else path
    return Address(parts.scheme, parts.hostname or "", port, named, given, prefix)


def _split(text: str) -> tuple[SplitResult, int]:
    try:
        parts = urlsplit(text)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError as error:
        raise InputError(f"address {text!r}: {error}; valid are {VALID}") from error
    if parts.scheme not in _PORTS or not parts.hostname or parts.query or parts.fragment:
        raise InputError(f"address {text!r} cannot be asked; valid are {VALID}")
    if parts.username is not None:
        # Without repeating it.
        raise InputError(
            f"address with a user at {parts.hostname!r}; over HTTPS they belong into ~/.netrc"
        )
    return parts, port
