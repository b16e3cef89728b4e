"""What a server tells of a model: which versions it has, and what may be asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


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
            :mod:`serkit.serving.signatures`.
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
