"""Shapes of a signature's inputs and outputs, and requests split into and joined to batches."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from serkit.serving.server.http import HttpError


@dataclass(frozen=True)
class TensorSpec:
    """Data type and shape of an input or output.

    Attributes:
        dtype: ``string``, or NumPy's name, such as ``float32``, ``int64`` or ``bool``.
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
        return len(shape) == len(self.shape) and all(
            valid_size in (None, size) for valid_size, size in zip(self.shape, shape, strict=True)
        )


@dataclass(frozen=True)
class SignatureSpec:
    """Inputs and outputs of a signature, by name.

    Attributes:
        inputs: data types and shapes of the inputs.
        outputs: data types and shapes of the outputs.
        sample_rate: rate in Hz to which the model resamples recordings.
    """

    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    sample_rate: int = 16_000

    @property
    def is_batched(self) -> bool:
        """Whether requests can be batched.

        All outputs, and all inputs except scalars, must have a batch axis, and there must be such
        an input.
        """
        batched_inputs = [spec for spec in self.inputs.values() if not spec.is_scalar]
        return bool(batched_inputs) and all(
            spec.is_batched for spec in [*batched_inputs, *self.outputs.values()]
        )

    def example_count(self, tensors: Mapping[str, npt.NDArray[Any]]) -> int:
        """Return the number of examples in valid inputs; 1 if the signature takes no batches."""
        if not self.is_batched:
            return 1
        return next(len(tensors[name]) for name, spec in self.inputs.items() if not spec.is_scalar)

    def check(self, tensors: Mapping[str, npt.NDArray[Any]]) -> None:
        """Check that input tensors, by name, are valid for the signature.

        Raises:
            HttpError: 400, if a shape is not valid, a batch is empty, or batch sizes differ.
        """
        for name, spec in self.inputs.items():
            if not spec.admits(tensors[name].shape):
                valid = str(["any" if size is None else size for size in spec.shape or ()])
                raise HttpError(
                    400, f"input {name} has shape {list(tensors[name].shape)[:8]}; valid is {valid}"
                )
        if self.is_batched:
            batch_sizes = {
                name: tensors[name].shape[0]
                for name, spec in self.inputs.items()
                if not spec.is_scalar
            }
            if len(set(batch_sizes.values())) > 1:
                raise HttpError(400, f"inputs have batches of different sizes: {batch_sizes}")
            if 0 in batch_sizes.values():
                raise HttpError(400, "no examples in the request")


Tensors = Mapping[str, npt.NDArray[Any]]
"""Tensors by the names of a signature's inputs or outputs."""

_MAX_BATCH_BYTES = 8 * 2**20
"""Maximum size of a batch in bytes. A limit on the number of examples is not enough: a recording of
a minute needs twenty times as much memory as one of three seconds. A WAV file counts as its samples
at the model's rate, because 600 KB may hold ten minutes."""
_LOWEST_RATE, _MAX_SECONDS = 1000, 600
"""Of the recordings that a model takes, and of what it uses of them; see serkit.audio.loading."""
_MAX_CHUNKS = 16
"""Chunks of a WAV file that are read to find its rate. With more of them, the lowest counts."""


class RunnableSignature(Protocol):
    """Interface of :class:`serkit.serving.server.loaded.Signature`, without TensorFlow."""

    spec: SignatureSpec

    def run(self, tensors: Tensors) -> dict[str, npt.NDArray[Any]]: ...


@dataclass(eq=False)
class Piece:
    """Consecutive examples of one request, which are run in the same batch.

    Attributes:
        signature: signature to call.
        tensors: inputs by name; they are not modified.
        example_count: number of examples.
        size: size of the inputs in bytes.
        batch_key: pieces with equal keys may be run in one batch. A piece with the key None is run
            alone.
        outputs: future that receives the outputs.
        is_long: whether the example is larger than a batch may be, and runs alone.
    """

    signature: RunnableSignature
    tensors: Tensors
    example_count: int
    size: int
    batch_key: Any
    outputs: asyncio.Future[dict[str, npt.NDArray[Any]]] = field(repr=False)

    @property
    def is_long(self) -> bool:
        return self.size > _MAX_BATCH_BYTES


def split_request(
    signature: RunnableSignature, tensors: Tensors, max_examples: int
) -> Iterator[Piece]:
    """Split the tensors of a request into pieces of at most ``max_examples`` examples and 8 MiB.

    A single example with more than 8 MiB is a piece of its own. If the signature takes no batches,
    the whole request is one piece. The function needs a running event loop.

    Args:
        signature: signature to call.
        tensors: inputs by name, valid for the signature's spec.
        max_examples: maximum number of examples of a piece.

    Yields:
        The pieces, in the order of their examples.
    """
    loop = asyncio.get_running_loop()
    sizes = _example_sizes(signature.spec, tensors)
    if not signature.spec.is_batched:
        yield Piece(
            signature,
            tensors,
            example_count=1,
            size=sum(sizes),
            batch_key=None,
            outputs=loop.create_future(),
        )
        return
    start = 0
    while start < len(sizes):
        end, size = start + 1, sizes[start]
        while end < min(len(sizes), start + max_examples) and size + sizes[end] <= _MAX_BATCH_BYTES:
            size += sizes[end]
            end += 1
        piece_tensors = {
            name: array if signature.spec.inputs[name].is_scalar else array[start:end]
            for name, array in tensors.items()
        }
        yield Piece(
            signature,
            piece_tensors,
            example_count=end - start,
            size=size,
            batch_key=_batch_key(signature, piece_tensors),
            outputs=loop.create_future(),
        )
        start = end


def first_batch(waiting: Sequence[Piece], max_examples: int) -> list[Piece]:
    """Return the first waiting piece, and the later pieces that fit into its batch, in order."""
    first, *others = waiting
    if first.batch_key is None:
        return [first]
    batch, example_count, size = [first], first.example_count, first.size
    for piece in others:
        has_room = (
            example_count + piece.example_count <= max_examples
            and size + piece.size <= _MAX_BATCH_BYTES
        )
        if piece.batch_key == first.batch_key and has_room:
            batch.append(piece)
            example_count += piece.example_count
            size += piece.size
    return batch


def run_batch(pieces: Sequence[Piece]) -> list[dict[str, npt.NDArray[Any]] | Exception]:
    """Run pieces as one batch; return the outputs of each piece, or its exception.

    If the batch fails, or an output does not have a row per example, the pieces are run one by one.
    So a request cannot cause errors for other requests.
    """
    if len(pieces) > 1:
        example_count = sum(piece.example_count for piece in pieces)
        try:
            outputs = pieces[0].signature.run(_join_inputs(pieces))
        # For any error: running the pieces one by one shows which piece causes the error.
        except Exception:
            outputs = {}
        if outputs and all(array.shape[:1] == (example_count,) for array in outputs.values()):
            return list(_split_outputs(outputs, pieces))
    return [_run_alone(piece) for piece in pieces]


def _run_alone(piece: Piece) -> dict[str, npt.NDArray[Any]] | Exception:
    try:
        return piece.signature.run(piece.tensors)
    except Exception as error:
        return error


def _join_inputs(pieces: Sequence[Piece]) -> dict[str, npt.NDArray[Any]]:
    first = pieces[0]
    return {
        name: array
        if first.signature.spec.inputs[name].is_scalar
        else np.concatenate([piece.tensors[name] for piece in pieces])
        for name, array in first.tensors.items()
    }


def _split_outputs(
    outputs: Tensors, pieces: Sequence[Piece]
) -> Iterator[dict[str, npt.NDArray[Any]]]:
    start = 0
    for piece in pieces:
        end = start + piece.example_count
        yield {name: array[start:end] for name, array in outputs.items()}
        start = end


def _example_sizes(spec: SignatureSpec, tensors: Tensors) -> list[int]:
    """Return the size of each example in bytes; one total if the signature takes no batches."""
    arrays = [array for name, array in tensors.items() if not spec.inputs[name].is_scalar]

    def size_of(value: Any) -> int:
        """Return the size of an array, or of the ``bytes`` that a row of a string array is."""
        if isinstance(value, bytes):
            return max(len(value), decoded_size(value, spec.sample_rate))
        return sum(map(size_of, value.ravel())) if value.dtype == object else value.nbytes

    if not spec.is_batched:
        return [sum(map(size_of, arrays))]
    return [sum(size_of(array[row]) for array in arrays) for row in range(len(arrays[0]))]


def decoded_size(content: bytes, sample_rate: int) -> int:
    """Return the size of a WAV file as float32 samples at a model's rate; no file is decoded.

    Args:
        content: a WAV file, or other bytes, whose size is 0.
        sample_rate: rate of the model in Hz.

    Returns:
        The size in bytes, or more if the header cannot be read or declares less than there is. At
        most that of ten minutes, which is all that a model uses.

    Example:
        >>> decoded_size(b"RIFF" + bytes(40), sample_rate=16_000)
        2816
    """
    if content[:4] != b"RIFF":
        return 0
    rate, frame_bytes = _LOWEST_RATE, 1
    position, is_data = 12, False
    for _ in range(_MAX_CHUNKS):
        name, length = content[position : position + 4], _number(content, position + 4, 4)
        if is_data := name == b"data":
            break
        # The last of several counts, as in the decoder.
        if name == b"fmt ":
            rate, frame_bytes = _number(content, position + 12, 4), _frame_bytes(content, position)
        position += 8 + length + length % 2
    if not is_data or not frame_bytes:
        rate, frame_bytes = _LOWEST_RATE, 1
    seconds = len(content) / frame_bytes / max(rate, _LOWEST_RATE)
    return round(4 * sample_rate * min(seconds, _MAX_SECONDS))


def _frame_bytes(content: bytes, fmt: int) -> int:
    """Return the bytes of a sample of all channels, by the fmt chunk at a position."""
    channels, bits = _number(content, fmt + 10, 2), _number(content, fmt + 22, 2)
    return channels * ((bits + 7) // 8)


def _number(content: bytes, start: int, count: int) -> int:
    return int.from_bytes(content[start : start + count], "little")


def _batch_key(signature: RunnableSignature, tensors: Tensors) -> Any:
    """Return a key that is equal for pieces with stackable rows and equal scalar inputs."""
    input_keys = [
        (name, array.shape[1:], array.tobytes() if signature.spec.inputs[name].is_scalar else b"")
        for name, array in tensors.items()
    ]
    return id(signature), tuple(input_keys)
