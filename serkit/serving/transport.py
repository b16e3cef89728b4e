"""Addresses of served models, model metadata, and what both transports share."""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import SplitResult, urlsplit

from serkit.errors import InputError
from serkit.serving.retries import ClientSettings, GaveUp, Retries, ServerError

_LONGEST = 120

REST_PORT, GRPC_PORT = 8501, 8500
"""Ports of TF Serving's image."""
VALID = (
    f"http://HOST:{REST_PORT}/v1/models/NAME, https://HOST/v1/models/NAME and "
    f"grpc://HOST:{GRPC_PORT}/NAME, each with /versions/N after it if it has to be that version"
)
"""All valid forms of an address, for messages."""
_PORTS = {"http": 80, "https": 443, "grpc": GRPC_PORT}
_VERSIONED = r"(?P<model>[^/:]+)(?:/versions/(?P<version>\d+))?"
_REST_PATH = re.compile(rf"(?P<prefix>.*?)/v1/models/{_VERSIONED}")
_GRPC_PATH = re.compile(rf"(?P<prefix>)(?:/v1/models)?/{_VERSIONED}")
_NAME = re.compile(r"[\w.~-]+", re.ASCII)


@dataclass(frozen=True)
class Address:
    """Address of a model at a server.

    Attributes:
        scheme: ``http``, ``https`` or ``grpc``.
        host: host name or IP address; IPv6 without brackets.
        port: from 1 to 65535.
        model: name of the model at the server.
        version: version of the model; None for the newest at the server.
        prefix: path before ``/v1`` that a proxy may require, over HTTP; empty, or beginning with a
            slash.
    """

    scheme: str
    host: str
    port: int
    model: str
    version: int | None = None
    prefix: str = ""

    @property
    def server(self) -> str:
        """``host:port``, in the form that gRPC expects."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """URL of the model over HTTP, to which ``:predict`` or ``/metadata`` is appended."""
        version = "" if self.version is None else f"/versions/{self.version}"
        return f"{self.scheme}://{self.server}{self.prefix}/v1/models/{self.model}{version}"

    def __str__(self) -> str:
        if self.scheme != "grpc":
            return self.url
        version = "" if self.version is None else f"/versions/{self.version}"
        return f"grpc://{self.server}/{self.model}{version}"


def is_address(text: str) -> bool:
    """Return whether a text is meant as an address, not as a folder; it may be invalid."""
    return "://" in text


def parse_address(text: str, model: str = "", version: int | None = None) -> Address:
    """Parse an address.

    Args:
        text: address in one of the forms of :data:`VALID`. The default port is 80 for http, 443 for
            https and 8500 for grpc. The path may be missing if ``model`` is given.
        model: name of the model at the server. There is no default, and TF Serving has no list of
            its models.
        version: version of the model, 0 or more; None for the version in the address, or the
            newest.

    Raises:
        InputError: if the address is not valid, or contradicts ``model`` or ``version``.
    """
    parts, port = _split(text)
    path = parts.path.rstrip("/")
    form = _GRPC_PATH if parts.scheme == "grpc" else _REST_PATH
    match = form.fullmatch(path)
    if not match and not (model and (not path or parts.scheme != "grpc")):
        raise InputError(
            f"`address` must name a model, because TF Serving has no list of its models; valid are "
            f"{VALID}. Received: {text!r}."
        )
    named = (match["model"] if match else "") or model
    given = int(match["version"]) if match and match["version"] else version
    if model not in ("", named) or version not in (None, given):
        raise InputError(
            f"`model` and `version` must not contradict the address {text!r}. Received: "
            f"model={model!r}, version={version!r}."
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
        raise InputError(f"address {text!r} is not valid; valid are {VALID}")
    if parts.username is not None:
        # The message must not repeat the user name and the password.
        raise InputError(
            f"address with a user at {parts.hostname!r}; over HTTPS they belong into ~/.netrc"
        )
    return parts, port


@dataclass(frozen=True)
class VersionStatus:
    """State of one version of a model at a server.

    Attributes:
        version: number of the version.
        state: ``START``, ``LOADING``, ``AVAILABLE``, ``UNLOADING`` or ``END``.
        problem: empty, or the reason why the version could not be loaded.
    """

    version: int
    state: str
    problem: str = ""


@dataclass(frozen=True)
class Metadata:
    """Metadata of the version that answers the requests.

    Attributes:
        model: name of the model at the server.
        version: number of the version.
        signatures: names of the signatures; see :mod:`serkit.export.signatures` for those of
            serkit's models.
    """

    model: str
    version: int
    signatures: tuple[str, ...]


def read_status(answer: Mapping[str, Any]) -> tuple[VersionStatus, ...]:
    """Parse the JSON form of TF Serving's ``GetModelStatusResponse``, newest version first.

    Raises:
        KeyError, TypeError, ValueError: if ``answer`` has another form.
    """
    found = [
        VersionStatus(
            int(one["version"]), str(one["state"]), one.get("status", {}).get("error_message", "")
        )
        for one in answer["model_version_status"]
    ]
    return tuple(sorted(found, key=lambda one: -one.version))


def read_metadata(answer: Mapping[str, Any]) -> Metadata:
    """Parse the JSON form of TF Serving's ``GetModelMetadataResponse``.

    Raises:
        KeyError, TypeError, ValueError: if ``answer`` has another form.
    """
    known = answer["metadata"]["signature_def"]["signature_def"]
    # Skip TensorFlow's internal signatures, which cannot be called.
    names = tuple(name for name in sorted(known) if not name.startswith("__"))
    model = answer["model_spec"]
    return Metadata(str(model["name"]), int(model["version"]), names)


_Result = TypeVar("_Result")


class Transport(ABC):
    """Connection to a model at a server. It retries requests after temporary failures.

    The methods that send requests raise InputError if the server has no such model, RefusedError if
    the server refuses this request, and ServerError if no server answers, or if the answer is not
    one of TF Serving.

    Args:
        address: address of the model.
        settings: timeouts, retries and batch sizes.
        retries: repeats failed requests; by default built from ``settings``.
    """

    def __init__(
        self, address: Address, settings: ClientSettings, retries: Retries | None = None
    ) -> None:
        self.address: Address = address
        self._settings = settings
        self._retries = retries or Retries(settings)

    @abstractmethod
    def call(
        self, signature: str, columns: Mapping[str, Sequence[Any]], outputs: Sequence[str]
    ) -> list[dict[str, Any]]:
        """Call a signature.

        Args:
            signature: name of the signature.
            columns: inputs by name, each with a value per example: bytes, float32 arrays of the
                same shape, or integers.
            outputs: names of the expected outputs. The answer may have other outputs, and expected
                outputs may be missing.

        Returns:
            A row per example: the outputs by name.
        """

    def status(self) -> tuple[VersionStatus, ...]:
        """Return the state of all versions, or of the version in the address."""
        return self._parsed(read_status, self._status())

    def metadata(self) -> Metadata:
        """Return the signatures of the model."""
        return self._parsed(read_metadata, self._metadata())

    @abstractmethod
    def size(self, value: Any) -> int:
        """Return the approximate size in bytes of a value in a request."""

    @abstractmethod
    def close(self) -> None:
        """Close the connections."""

    @abstractmethod
    def _status(self) -> Any:
        """Return the JSON form of ``GetModelStatusResponse``."""

    @abstractmethod
    def _metadata(self) -> Any:
        """Return the JSON form of ``GetModelMetadataResponse``."""

    def _retried(self, attempt: Callable[[float], _Result], advice: str = "") -> _Result:
        try:
            return self._retries.run(attempt)
        except GaveUp as error:
            raise ServerError(f"{self.address}: {error}{advice}") from error

    def _parsed(self, read: Callable[[Any], _Result], answer: Any) -> _Result:
        try:
            return read(answer)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._unlike(shortened(answer)) from error

    def _missing(self, said: str) -> InputError:
        return InputError(
            f"{self.address} is not there: {said}; valid are the name of a model that this server "
            "has loaded (its --model_name) and one of its versions"
        )

    def _unlike(self, said: str) -> ServerError:
        return ServerError(f"{self.address} answers unlike TF Serving: {said}")

    def _wrong_size(self, said: str, count: int, outputs: Sequence[str]) -> ServerError:
        return ServerError(
            f"{self.address} answers {said}, which is not {count} times {', '.join(outputs)}"
        )


def shortened(answer: Any) -> str:
    """Return bytes or a JSON value as one line of at most 120 characters."""
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else json.dumps(answer)
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
