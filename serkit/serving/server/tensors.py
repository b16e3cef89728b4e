"""Input and output shapes of a signature, and tensors split and joined by row."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from serkit.serving.server.http import Refusal


@dataclass(frozen=True)
class Spec:
    """Data type and shape of a tensor.

    Attributes:
        dtype: ``string``, or NumPy's name: ``float32``, ``int64``, ``bool``, …
        shape: sizes of the axes, with None for an axis of any size; None instead of the tuple if
            the rank is unknown.
    """

    dtype: str
    shape: tuple[int | None, ...] | None

    @property
    def is_scalar(self) -> bool:
        return self.shape == ()

    @property
    def is_batched(self) -> bool:
        """Whether the first axis is a batch axis: one of any size."""
        return bool(self.shape) and self.shape[0] is None

    def admits(self, shape: tuple[int, ...]) -> bool:
        """Return whether a tensor of the given shape is valid."""
        if self.shape is None:
            return True
        pairs = zip(self.shape, shape, strict=False)
        return len(shape) == len(self.shape) and all(a in (None, b) for a, b in pairs)


@dataclass(frozen=True)
class SignatureSpec:
    """Inputs and outputs of a signature, by name."""

    inputs: Mapping[str, Spec]
    outputs: Mapping[str, Spec]

    @property
    def is_batched(self) -> bool:
        """Whether requests can be batched: all inputs but scalars, and all outputs, are batches."""
        tensors = [spec for spec in self.inputs.values() if not spec.is_scalar]
        return bool(tensors) and all(spec.is_batched for spec in [*tensors, *self.outputs.values()])

    def examples(self, tensors: Mapping[str, npt.NDArray[Any]]) -> int:
        """Return the number of examples in valid inputs; 1 if the signature takes no batches."""
        batches = [tensors[name] for name, spec in self.inputs.items() if not spec.is_scalar]
        return len(batches[0]) if self.is_batched else 1

    def check(self, tensors: Mapping[str, npt.NDArray[Any]]) -> None:
        """Check that input tensors, by name, are valid for the signature.

        Raises:
            Refusal: 400, if a shape is not valid, a batch is empty, or batch sizes differ.
        """
        for name, spec in self.inputs.items():
            if not spec.admits(tensors[name].shape):
                valid = str(["any" if size is None else size for size in spec.shape or ()])
                raise Refusal(
                    400, f"input {name} has shape {list(tensors[name].shape)[:8]}; valid is {valid}"
                )
        if self.is_batched:
            sizes = {
                name: tensors[name].shape[0]
                for name, spec in self.inputs.items()
                if not spec.is_scalar
            }
            if len(set(sizes.values())) > 1:
                raise Refusal(400, f"inputs have batches of different sizes: {sizes}")
            if 0 in sizes.values():
                raise Refusal(400, "no examples in the request")


Tensors = Mapping[str, npt.NDArray[Any]]

_MOST_BYTES = 8 * 2**20
"""Maximum size of a batch in bytes. The number of examples is not enough as a limit: a minute of a
recording needs twenty times as much memory as three seconds."""


class Model(Protocol):
    """Interface of a callable signature, :class:`serkit.serving.server.loaded.Signature`."""

    spec: SignatureSpec

    def run(self, tensors: Tensors) -> dict[str, npt.NDArray[Any]]: ...


@dataclass(eq=False)
class Piece:
    """Examples of one request that are run in the same batch.

    Attributes:
        model: signature to call.
        tensors: inputs by name; they are not modified.
        examples: number of examples.
        cost: size in bytes.
        key: pieces with equal keys may be batched. A piece with the key None is run alone.
        answer: future that receives the outputs.
    """

    model: Model
    tensors: Tensors
    examples: int
    cost: int
    key: Any
    answer: asyncio.Future[dict[str, npt.NDArray[Any]]] = field(repr=False)


def cut(model: Model, tensors: Tensors, most: int) -> Iterator[Piece]:
    """Split the tensors of a request into pieces of at most ``most`` examples and 8 MiB.

    The tensors must be valid for the model's spec. A single example with more than 8 MiB is a piece
    of its own. If the model takes no batches, the whole request is one piece. The function needs a
    running event loop.
    """
    loop = asyncio.get_running_loop()
    costs = _costs(model.spec, tensors)
    if not model.spec.is_batched:
        yield Piece(model, tensors, 1, sum(costs), None, loop.create_future())
        return
    start = 0
    while start < len(costs):
        end, cost = start + 1, costs[start]
        while end < min(len(costs), start + most) and cost + costs[end] <= _MOST_BYTES:
            cost += costs[end]
            end += 1
        part = {
            name: array if model.spec.inputs[name].is_scalar else array[start:end]
            for name, array in tensors.items()
        }
        yield Piece(model, part, end - start, cost, _key(model, part), loop.create_future())
        start = end


def together(waiting: Sequence[Piece], most: int) -> list[Piece]:
    """Return the first piece, and the later pieces that fit into its batch, in order."""
    first, *others = waiting
    found, examples, cost = [first], first.examples, first.cost
    for piece in others if first.key is not None else ():
        fits = examples + piece.examples <= most and cost + piece.cost <= _MOST_BYTES
        if piece.key == first.key and fits:
            found.append(piece)
            examples, cost = examples + piece.examples, cost + piece.cost
    return found


def run(pieces: Sequence[Piece]) -> list[dict[str, npt.NDArray[Any]] | Exception]:
    """Run pieces as one batch; return the outputs of each piece, or its exception.

    If the batch fails, or an output does not have a row per example, the pieces are run one by one.
    So a request cannot cause errors for other requests.
    """
    if len(pieces) > 1:
        model, examples = pieces[0].model, sum(piece.examples for piece in pieces)
        try:
            outputs = model.run(_joined(pieces))
        # For any error: running the pieces one by one shows which piece causes the error.
        except Exception:
            outputs = {}
        if outputs and all(value.shape[:1] == (examples,) for value in outputs.values()):
            return list(_split(outputs, pieces))
    return [_alone(piece) for piece in pieces]


def _alone(piece: Piece) -> dict[str, npt.NDArray[Any]] | Exception:
    try:
        return piece.model.run(piece.tensors)
    except Exception as error:
        return error


def _joined(pieces: Sequence[Piece]) -> dict[str, npt.NDArray[Any]]:
    first = pieces[0]
    return {
        name: array
        if first.model.spec.inputs[name].is_scalar
        else np.concatenate([piece.tensors[name] for piece in pieces])
        for name, array in first.tensors.items()
    }


def _split(outputs: Tensors, pieces: Sequence[Piece]) -> Iterator[dict[str, npt.NDArray[Any]]]:
    start = 0
    for piece in pieces:
        end = start + piece.examples
        yield {name: value[start:end] for name, value in outputs.items()}
        start = end


def _costs(spec: SignatureSpec, tensors: Tensors) -> list[int]:
    """Return the size of each example in bytes; one total if the model takes no batches."""
    batches = [array for name, array in tensors.items() if not spec.inputs[name].is_scalar]
    if not spec.is_batched:
        return [sum(_bytes(array) for array in batches)]
    return [sum(_bytes(array[n]) for array in batches) for n in range(len(batches[0]))]


def _bytes(array: Any) -> int:
    if isinstance(array, bytes):
        return len(array)
    return sum(map(len, array.ravel())) if array.dtype == object else array.nbytes


def _key(model: Model, tensors: Tensors) -> Any:
    """Return a key that is equal for pieces with stackable rows and equal scalar inputs."""
    inputs = [
        (name, array.shape[1:], array.tobytes() if model.spec.inputs[name].is_scalar else b"")
        for name, array in tensors.items()
    ]
    return id(model), tuple(inputs)
