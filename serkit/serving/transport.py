"""Addresses of served models, model metadata, and what both transports share."""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import SplitResult, urlsplit

from serkit.errors import InputError
from serkit.serving.retries import ClientSettings, Retries, RetriesExhaustedError, ServerError

REST_PORT, GRPC_PORT = 8501, 8500
"""Ports of TF Serving's image."""
VALID_ADDRESSES = (
    f"http://HOST:{REST_PORT}/v1/models/NAME, https://HOST/v1/models/NAME and "
    f"grpc://HOST:{GRPC_PORT}/NAME, each with /versions/N after it if it has to be that version"
)
"""All valid forms of an address, for messages."""
_DEFAULT_PORTS = {"http": 80, "https": 443, "grpc": GRPC_PORT}
_MODEL_PATTERN = r"(?P<model>[^/:]+)(?:/versions/(?P<version>\d+))?"
_REST_PATH = re.compile(rf"(?P<prefix>.*?)/v1/models/{_MODEL_PATTERN}")
_GRPC_PATH = re.compile(rf"(?P<prefix>)(?:/v1/models)?/{_MODEL_PATTERN}")
_MODEL_NAME = re.compile(r"[\w.~-]+", re.ASCII)
_MAX_LINE_LENGTH = 120
MAX_ANSWER_BYTES = 64 << 20
"""Most bytes of a server's answer that a client takes. An answer for one recording has 1 kB."""


@dataclass(frozen=True)
class Address:
    """Address of a model at a server.

    Attributes:
        scheme: ``http``, ``https`` or ``grpc``.
        host: host name or IP address; IPv6 without brackets.
        port: from 1 to 65535.
        model: name of the model at the server.
        version: version of the model; None for the newest at the server.
        prefix: path before ``/v1`` in a URL over HTTP, if a proxy requires one. It begins with a
            slash, or is empty.
    """

    scheme: str
    host: str
    port: int
    model: str
    version: int | None = None
    prefix: str = ""

    @property
    def server(self) -> str:
        """``host:port``, as gRPC expects it: an IPv6 address is in brackets."""
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
    """Return whether a text is an address, not a folder. The address may still be invalid."""
    return "://" in text


def parse_address(text: str, model: str = "", version: int | None = None) -> Address:
    """Parse an address.

    Args:
        text: address in one of the forms of :data:`VALID_ADDRESSES`. The default port is 80 for
            http, 443 for https and 8500 for grpc. The path may be missing if ``model`` is given.
        model: name of the model at the server; empty for the name in the address.
        version: version of the model, 0 or more; None for the version in the address, or the
            newest.

    Returns:
        The address.

    Raises:
        InputError: if the address is not valid, names no model, or contradicts ``model`` or
            ``version``.
    """
    url, port = _split_url(text)
    path = url.path.rstrip("/")
    match = (_GRPC_PATH if url.scheme == "grpc" else _REST_PATH).fullmatch(path)
    # Over HTTP, a path that does not name a model is the prefix of a proxy.
    may_be_prefix = not path or url.scheme != "grpc"
    if not match and not (model and may_be_prefix):
        raise InputError(
            f"An address must name a model, because TF Serving has no list of its models; valid "
            f"are {VALID_ADDRESSES}. Received: {text!r}."
        )
    model_name = match["model"] if match else model
    version_number = int(match["version"]) if match and match["version"] else version
    if model not in ("", model_name) or version not in (None, version_number):
        raise InputError(
            f"`model` and `version` must not contradict the address {text!r}. Received: "
            f"model={model!r}, version={version!r}."
        )
    if not _MODEL_NAME.fullmatch(model_name) or (version_number or 0) < 0:
        raise InputError(
            f"model={model_name!r}, version={version_number!r} at {text!r}; valid are a name of "
            "letters, digits, '.', '_', '-' and '~', and a version of 0 or more"
        )
    prefix = match["prefix"] if match else path
    return Address(url.scheme, url.hostname or "", port, model_name, version_number, prefix)


def _split_url(text: str) -> tuple[SplitResult, int]:
    """Return the parts of a URL, and its port or the default port of its scheme."""
    try:
        url = urlsplit(text)
        port = url.port or _DEFAULT_PORTS.get(url.scheme, 0)
    except ValueError as error:
        raise InputError(f"address {text!r}: {error}; valid are {VALID_ADDRESSES}") from error
    if url.scheme not in _DEFAULT_PORTS or not url.hostname or url.query or url.fragment:
        raise InputError(f"address {text!r} is not valid; valid are {VALID_ADDRESSES}")
    if url.username is not None:
        # The message must not repeat the user name and the password.
        raise InputError(
            f"address with a user at {url.hostname!r}; over HTTPS they belong into ~/.netrc"
        )
    return url, port


@dataclass(frozen=True)
class VersionStatus:
    """State of one version of a model at a server.

    Attributes:
        version: number of the version.
        state: ``START``, ``LOADING``, ``AVAILABLE``, ``UNLOADING``, ``END`` or ``UNKNOWN``.
        problem: empty, or the reason why the version could not be loaded.
    """

    version: int
    state: str
    problem: str = ""


@dataclass(frozen=True)
class Metadata:
    """Name, version and signatures of the model that answers the requests.

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
    """Parse the JSON form of TF Serving's ``GetModelStatusResponse``.

    Returns:
        The state of each version, newest version first.

    Raises:
        KeyError, TypeError, ValueError, AttributeError, OverflowError: if ``answer`` has another
            form.
    """
    states = [
        VersionStatus(
            version=int(entry["version"]),
            state=str(entry["state"]),
            problem=str(entry.get("status", {}).get("error_message", "")),
        )
        for entry in answer["model_version_status"]
    ]
    return tuple(sorted(states, key=lambda status: -status.version))


def read_metadata(answer: Mapping[str, Any]) -> Metadata:
    """Parse the JSON form of TF Serving's ``GetModelMetadataResponse``.

    Raises:
        KeyError, TypeError, ValueError, AttributeError, OverflowError: if ``answer`` has another
            form.
    """
    definitions = answer["metadata"]["signature_def"]["signature_def"]
    # Skip TensorFlow's internal signatures, which cannot be called.
    signatures = tuple(name for name in sorted(definitions) if not name.startswith("__"))
    model = answer["model_spec"]
    return Metadata(str(model["name"]), int(model["version"]), signatures)


_Result = TypeVar("_Result")


class Transport(ABC):
    """Connection to a model at a server. It retries requests after temporary failures.

    The methods that send requests raise InputError if the server does not have the model,
    RefusedError if the server refuses this request, and ServerError if no server answers, or if it
    does not answer as TF Serving does.

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
            outputs: names of the expected outputs. The answer may have further outputs, and
                expected outputs may be missing.

        Returns:
            A row per example: the outputs by name.
        """

    def status(self) -> tuple[VersionStatus, ...]:
        """Return the state of all versions, or of the version in the address."""
        return self._parse(read_status, self._request_status())

    def metadata(self) -> Metadata:
        """Return the name, version and signatures of the model."""
        return self._parse(read_metadata, self._request_metadata())

    @abstractmethod
    def request_size(self, value: Any) -> int:
        """Return the approximate size in bytes that bytes or an array have in a request."""

    @abstractmethod
    def close(self) -> None:
        """Close the connections."""

    @abstractmethod
    def _request_status(self) -> Any:
        """Return the JSON form of ``GetModelStatusResponse``."""

    @abstractmethod
    def _request_metadata(self) -> Any:
        """Return the JSON form of ``GetModelMetadataResponse``."""

    def _run_with_retries(self, attempt: Callable[[float], _Result], advice: str = "") -> _Result:
        try:
            return self._retries.run(attempt)
        except RetriesExhaustedError as error:
            raise ServerError(f"{self.address}: {error}{advice}") from error

    def _parse(self, parse: Callable[[Any], _Result], answer: Any) -> _Result:
        try:
            return parse(answer)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise self._not_tf_serving_error(to_line(answer)) from error

    def _model_not_found_error(self, reason: str) -> InputError:
        return InputError(
            f"{self.address} is not there: {reason}; valid are the name of a model that this "
            "server has loaded (TF Serving's --model_name, serkit's --name) and one of its versions"
        )

    def _not_tf_serving_error(self, answer: str) -> ServerError:
        return ServerError(f"{self.address} answers unlike TF Serving: {answer}")

    def _wrong_rows_error(
        self, answer: str, example_count: int, outputs: Sequence[str]
    ) -> ServerError:
        return ServerError(
            f"{self.address} answers {answer}, which is not {example_count} times "
            f"{', '.join(outputs)}"
        )


def to_line(answer: Any) -> str:
    """Return bytes or a JSON value as one line of text, truncated to 120 characters."""
    try:
        text = (
            answer.decode("utf-8", "replace") if isinstance(answer, bytes) else json.dumps(answer)
        )
    except RecursionError:
        text = "deeply nested JSON"
    line = " ".join(text.split())
    return line if len(line) <= _MAX_LINE_LENGTH else line[: _MAX_LINE_LENGTH - 1] + "…"
