"""The input and the output of a model for one recording."""

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from serkit.export import signatures


@dataclass(frozen=True)
class Example:
    """One recording.

    Attributes:
        name: a file's path as it was given, or any other.
        value: bytes of a WAV file, or an array.
        problem: empty, or why there is no value.
    """

    name: str
    value: Any
    problem: str = ""


def read_example(file: Path | str) -> Example:
    """A WAV file's bytes, or those of one made of a FLAC, MP3 or Ogg Vorbis file.

    If it cannot be read or decoded, or is no file but a pipe, a device or a folder, which may have
    no end, there is a problem.
    """
    try:
        data = _read(file)
    except (OSError, ValueError) as error:
        # ValueError: a path with a zero in it.
        return Example(str(file), b"", (getattr(error, "strerror", "") or str(error)).lower())
    if data.startswith(b"RIFF"):
        return Example(str(file), data)
    from serkit.audio.containers import as_wav

    return Example(str(file), *as_wav(data))


def _read(file: Path | str) -> bytes:
    # Before it is opened: a pipe waits for somebody who writes into it.
    mode = os.stat(file).st_mode
    if not stat.S_ISREG(mode):
        raise ValueError(f"is {_KINDS.get(stat.S_IFMT(mode), 'a device')}; valid is a file")
    return Path(file).read_bytes()


_KINDS = {stat.S_IFIFO: "a pipe", stat.S_IFDIR: "a directory", stat.S_IFSOCK: "a socket"}


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
            outputs: by the names in :mod:`serkit.export.signatures`; words may be ``bytes``.
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
