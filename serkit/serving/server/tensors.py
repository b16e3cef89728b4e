"""Input and output shapes of a signature, and tensors split and joined by row."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from serkit.serving.server.http import Refusal


@dataclass(frozen=True)
class Spec:
    """A tensor's.

    Attributes:
        dtype: ``string``, or NumPy's name: ``float32``, ``int64``, ``bool``, …
        shape: with None for what may be of any size; None where the rank is not known either.
    """

    dtype: str
    shape: tuple[int | None, ...] | None

    @property
    def is_scalar(self) -> bool:
        return self.shape == ()

    @property
    def is_batched(self) -> bool:
        """Whether the first axis is of any size, as that of a batch is."""
        return bool(self.shape) and self.shape[0] is None

    def admits(self, shape: tuple[int, ...]) -> bool:
        """Whether a tensor of that shape is one of these."""
        if self.shape is None:
            return True
        pairs = zip(self.shape, shape, strict=False)
        return len(shape) == len(self.shape) and all(a in (None, b) for a, b in pairs)


@dataclass(frozen=True)
class SignatureSpec:
    """Inputs and outputs by name."""

    inputs: Mapping[str, Spec]
    outputs: Mapping[str, Spec]

    @property
    def is_batched(self) -> bool:
        """Whether requests can be put together: scalars beside batches, and batches come out."""
        tensors = [spec for spec in self.inputs.values() if not spec.is_scalar]
        return bool(tensors) and all(spec.is_batched for spec in [*tensors, *self.outputs.values()])

    def examples(self, tensors: Mapping[str, np.ndarray]) -> int:
        """How many examples tensors hold that the signature takes; 1 if it knows no batches."""
        batches = [tensors[name] for name, spec in self.inputs.items() if not spec.is_scalar]
        return len(batches[0]) if self.is_batched else 1

    def check(self, tensors: Mapping[str, np.ndarray]) -> None:
        """That tensors by name are what the signature takes.

        Raises:
            Refusal: 400, for a shape that it does not take, or a batch with nothing in it or of two
                sizes.
        """
        for name, spec in self.inputs.items():
            if not spec.admits(tensors[name].shape):
                valid = str(["any" if size is None else size for size in spec.shape])
                raise Refusal(
                    400,
                    f"input {name} has shape {list(tensors[name].shape)[:8]}; valid is {valid}",
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


Tensors = Mapping[str, np.ndarray]

_MOST_BYTES = 8 * 2**20
"""Of a batch: a minute of a recording costs twenty times as much memory as three seconds."""


class Model(Protocol):
    """What can be asked: :class:`serkit.serving.server.loaded.Signature`."""

    spec: SignatureSpec

    def run(self, tensors: Tensors) -> dict[str, np.ndarray]: ...


@dataclass(eq=False)
class Piece:
    """Part of a request.

    Attributes:
        model: who is asked.
        tensors: what; none of them changes.
        examples: how many there are in it.
        cost: its size in bytes.
        key: pieces with the same may be put together; None with no other.
        answer: gets the outputs.
    """

    model: Model
    tensors: Tensors
    examples: int
    cost: int
    key: Any
    answer: asyncio.Future = field(repr=False)


def cut(model: Model, tensors: Tensors, most: int) -> Iterator[Piece]:
    """A request's tensors, which the model's spec admits, in pieces of at most so many examples.

    Needs a running event loop. A model that takes no batches is asked everything at once.
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
    """The first piece, and those behind it that can pass the model with it, in their order."""
    first, *others = waiting
    found, examples, cost = [first], first.examples, first.cost
    for piece in others if first.key is not None else ():
        fits = examples + piece.examples <= most and cost + piece.cost <= _MOST_BYTES
        if piece.key == first.key and fits:
            found.append(piece)
            examples, cost = examples + piece.examples, cost + piece.cost
    return found


def run(pieces: Sequence[Piece]) -> list[dict[str, np.ndarray] | Exception]:
    """Outputs of each piece, or what the model raised for it.

    If it raises for all together, or does not answer with a row for each example, it is asked
    piece by piece: nobody gets an error for what another sent.
    """
    if len(pieces) > 1:
        model, examples = pieces[0].model, sum(piece.examples for piece in pieces)
        try:
            outputs = model.run(_joined(pieces))
        # Whatever it is, the pieces by themselves will show whose it is.
        except Exception:
            outputs = {}
        if outputs and all(value.shape[:1] == (examples,) for value in outputs.values()):
            return list(_split(outputs, pieces))
    return [_alone(piece) for piece in pieces]


def _alone(piece: Piece) -> dict[str, np.ndarray] | Exception:
    try:
        return piece.model.run(piece.tensors)
    except Exception as error:
        return error


def _joined(pieces: Sequence[Piece]) -> dict[str, np.ndarray]:
    first = pieces[0]
    return {
        name: array
        if first.model.spec.inputs[name].is_scalar
        else np.concatenate([piece.tensors[name] for piece in pieces])
        for name, array in first.tensors.items()
    }


def _split(outputs: Tensors, pieces: Sequence[Piece]) -> Iterator[dict[str, np.ndarray]]:
    start = 0
    for piece in pieces:
        end = start + piece.examples
        yield {name: value[start:end] for name, value in outputs.items()}
        start = end


def _costs(spec: SignatureSpec, tensors: Tensors) -> list[int]:
    """Bytes of each example; of all, where they cannot be told apart."""
    batches = [array for name, array in tensors.items() if not spec.inputs[name].is_scalar]
    if not spec.is_batched:
        return [sum(_bytes(array) for array in batches)]
    return [sum(_bytes(array[n]) for array in batches) for n in range(len(batches[0]))]


def _bytes(array: Any) -> int:
    if isinstance(array, bytes):
        return len(array)
    return sum(map(len, array.ravel())) if array.dtype == object else array.nbytes


def _key(model: Model, tensors: Tensors) -> Any:
    """Equal where rows can lie in one tensor and scalars mean the same for all."""
    inputs = [
        (name, array.shape[1:], array.tobytes() if model.spec.inputs[name].is_scalar else b"")
        for name, array in tensors.items()
    ]
    return id(model), tuple(inputs)
