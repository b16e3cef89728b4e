"""What a model says of one recording, whoever asked it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serkit.serving import signatures


@dataclass(frozen=True)
class Prediction:
    """What the model says of one file.

    Attributes:
        file: as it was given.
        label: the most probable class, empty if the file could not be used.
        probabilities: by class, summing to 1; empty if the file could not be used.
        problem: empty, or why the file could not be used.
        entropy: of the probabilities, in nats.
        mutual_information: how much of it is the networks' disagreement, in nats.
        abstain: whether the model would rather not answer; so it is of a file that it cannot use.
        note: empty, or what is odd about a file that was used.
    """

    file: str
    label: str
    probabilities: dict[str, float]
    problem: str = ""
    entropy: float = 0.0
    mutual_information: float = 0.0
    abstain: bool = False
    note: str = ""

    @classmethod
    def of_outputs(
        cls, file: str, classes: Sequence[str], outputs: Mapping[str, Any]
    ) -> "Prediction":
        """From one row of a signature's outputs.

        Args:
            file: as it was given.
            classes: labels in the order of the probabilities.
            outputs: by the names in :mod:`serkit.serving.signatures`; words may be ``bytes``.
        """
        problem = _text(outputs[signatures.STATUS])
        if problem:
            return cls.failed(file, problem)
        values = map(float, outputs[signatures.PROBABILITIES])
        return cls(
            file,
            _text(outputs[signatures.LABEL]),
            dict(zip(classes, values, strict=True)),
            "",
            float(outputs[signatures.ENTROPY]),
            float(outputs[signatures.MUTUAL_INFORMATION]),
            bool(outputs[signatures.ABSTAIN]),
            _text(outputs[signatures.NOTE]),
        )

    @classmethod
    def failed(cls, file: str, problem: str) -> "Prediction":
        """Of a file that could not be used."""
        return cls(file, "", {}, problem, abstain=True)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
