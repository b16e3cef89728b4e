"""What a signature takes and gives, as its SavedModel says it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from serkit.serving.server.refusal import Refusal


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
