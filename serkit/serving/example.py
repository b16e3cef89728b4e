"""What a model is asked about: a recording, or why there is none."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any


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
    """A file's bytes; if it cannot be read, a problem."""
    try:
        return Example(str(file), Path(file).read_bytes())
    except (OSError, ValueError) as error:
        # ValueError: a path with a zero in it.
        return Example(str(file), b"", (getattr(error, "strerror", "") or str(error)).lower())
