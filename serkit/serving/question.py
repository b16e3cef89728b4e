"""What is asked of a model about examples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from serkit.serving.example import Example
from serkit.serving.served_model import Signature


@dataclass(frozen=True)
class Question:
    """A signature, and what goes into it.

    Attributes:
        signature: its name.
        column: the input that takes the examples.
        shared: inputs that are the same for all examples.
        one_each: whether the model takes those once per example rather than once.
    """

    signature: str
    column: str
    shared: Mapping[str, int] = field(default_factory=dict)
    one_each: bool = False

    def put_to(self, signature: Signature) -> "Question":
        """The same as a model takes it: one whose server batches cannot take scalars."""
        known = (signature.inputs.get(name) for name in self.shared)
        return replace(self, one_each=any(one is not None and one.shape != () for one in known))

    def columns(self, examples: Sequence[Example]) -> dict[str, list[Any]]:
        """Inputs with a value per example."""
        columns: dict[str, list[Any]] = {self.column: [example.value for example in examples]}
        if self.one_each:
            columns |= {name: [value] * len(examples) for name, value in self.shared.items()}
        return columns

    @property
    def scalars(self) -> Mapping[str, int]:
        """Inputs with one value for all."""
        return {} if self.one_each else self.shared
