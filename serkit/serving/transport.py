"""Addresses of served models, model metadata, and the interface of a transport."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
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


@dataclass(frozen=True)
class VersionStatus:
    """One version of a model at a server.

    Attributes:
        version: its number.
        state: ``START``, ``LOADING``, ``AVAILABLE``, ``UNLOADING`` or ``END``.
        problem: empty, or why it could not be loaded.
    """

    version: int
    state: str
    problem: str = ""


@dataclass(frozen=True)
class Tensor:
    """An input or an output.

    Attributes:
        dtype: such as ``float32`` or ``string``.
        shape: None for sides of any length; None as a whole if not even their number is known.
    """

    dtype: str
    shape: tuple[int | None, ...] | None


@dataclass(frozen=True)
class Signature:
    """What a model takes and gives, by name."""

    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]


@dataclass(frozen=True)
class Metadata:
    """Of the version that answers.

    Attributes:
        model: its name at the server.
        version: its number.
        signatures: by name; those that serkit's models have are in
            :mod:`serkit.export.signatures`.
    """

    model: str
    version: int
    signatures: Mapping[str, Signature]


def read_status(answer: Mapping[str, Any]) -> tuple[VersionStatus, ...]:
    """From the JSON form of TF Serving's ``GetModelStatusResponse``, newest version first.

    Raises:
        KeyError, TypeError, ValueError: if it is something else.
    """
    found = [
        VersionStatus(
            int(one["version"]), str(one["state"]), one.get("status", {}).get("error_message", "")
        )
        for one in answer["model_version_status"]
    ]
    return tuple(sorted(found, key=lambda one: -one.version))


def read_metadata(answer: Mapping[str, Any]) -> Metadata:
    """From the JSON form of TF Serving's ``GetModelMetadataResponse``.

    Raises:
        KeyError, TypeError, ValueError: if it is something else.
    """
    known = answer["metadata"]["signature_def"]["signature_def"]
    signatures = {
        name: Signature(_tensors(one.get("inputs", {})), _tensors(one.get("outputs", {})))
        # TensorFlow's own, which cannot be asked.
        for name, one in sorted(known.items())
        if not name.startswith("__")
    }
    model = answer["model_spec"]
    return Metadata(str(model["name"]), int(model["version"]), signatures)


def _tensors(given: Mapping[str, Any]) -> dict[str, Tensor]:
    return {name: _tensor(one) for name, one in sorted(given.items())}


def _tensor(given: Mapping[str, Any]) -> Tensor:
    dtype = str(given["dtype"]).removeprefix("DT_").lower()
    shape = given.get("tensor_shape", {})
    dtype = {"float": "float32", "double": "float64"}.get(dtype, dtype)
    if shape.get("unknown_rank"):
        return Tensor(dtype, None)
    sides = [int(side.get("size", 0)) for side in shape.get("dim", [])]
    return Tensor(dtype, tuple(None if side < 0 else side for side in sides))


class Transport(Protocol):
    """A way to a server, which asks again where that may help.

    Each method raises InputError if the address does not lead to such a model, RefusedError if
    this one request is refused, and ServerError if nobody answers, or not as TF Serving does.
    """

    address: Address

    def ask(
        self, signature: str, columns: Mapping[str, Sequence[Any]], outputs: Sequence[str]
    ) -> list[dict[str, Any]]:
        """Rows of outputs by name, one per example.

        Args:
            signature: which one to ask.
            columns: inputs by name, each with a value per example: bytes, float32 arrays of one
                shape, or integers.
            outputs: which are expected; more may come, and some may be missing.
        """

    def status(self) -> tuple[VersionStatus, ...]:
        """All versions, or the one of the address."""

    def metadata(self) -> Metadata:
        """What may be asked."""

    def weigh(self, value: Any) -> int:
        """About how many bytes a value is on its way."""

    def close(self) -> None:
        """Close the connections."""
