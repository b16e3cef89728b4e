"""What is asked of a model about examples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from serkit.serving.example import Example


@dataclass(frozen=True)
class Question:
    """A signature, and what goes into it.

    Attributes:
        signature: its name.
        column: the input that takes the examples.
        shared: inputs that are the same for all examples.
    """

    signature: str
    column: str
    shared: Mapping[str, int] = field(default_factory=dict)

    def columns(self, examples: Sequence[Example]) -> dict[str, list[Any]]:
        """Inputs by name, with a value per example."""
        columns: dict[str, list[Any]] = {self.column: [example.value for example in examples]}
        return columns | {name: [value] * len(examples) for name, value in self.shared.items()}
