"""The input and the output of a model for one recording."""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from serkit.errors import InputError
from serkit.export import signatures


@dataclass(frozen=True)
class Example:
    """Input of a model: one recording.

    Attributes:
        name: the path of a file as the caller gave it, or another name.
        value: bytes of a WAV file, or an array.
        problem: empty, or the reason why there is no value.
    """

    name: str
    value: Any
    problem: str = ""


def array_examples(
    values: Iterable[npt.ArrayLike], noun: str, axis_count: int
) -> Iterator[Example]:
    """Yield an example for each array, named "0", "1", …

    Args:
        values: waveforms or spectrograms.
        noun: what one of them is, for error messages.
        axis_count: number of axes of each.

    Raises:
        InputError: if one has other axes, or is an array of integers.
    """
    for index, value in enumerate(values):
        require_floats(value, f"{noun}s")
        array = np.asarray(value, np.float32)
        if array.ndim != axis_count:
            raise InputError(
                f"`{noun}s` must have {axis_count} axes each. Received: {noun} {index} of shape "
                f"{array.shape}."
            )
        yield Example(str(index), array)


def require_floats(array: npt.ArrayLike, name: str) -> None:
    """Raise InputError for an array of integers, because samples are floats in [-1, 1].

    Args:
        array: a waveform or spectrogram.
        name: name of the argument that it came with.
    """
    if isinstance(array, np.ndarray) and array.dtype.kind in "iu":
        raise InputError(
            f"`{name}` must have floats in [-1, 1]. Received: an array of {array.dtype}; divide "
            "samples of 16 bits by 32768, for example."
        )


def read_example(file: Path | str) -> Example:
    """Read a WAV file, or convert a FLAC, MP3 or Ogg Vorbis file to WAV.

    The example has a problem if the file cannot be read or decoded, or is not a regular file.
    Pipes, devices and folders are not read: their data may have no end.

    Args:
        file: path of the file.

    Returns:
        An example whose value is the bytes of a WAV file.
    """
    try:
        data = _read_regular_file(file)
    except (OSError, ValueError) as error:
        # ValueError: not a regular file, or a path with a null character.
        reason = getattr(error, "strerror", "") or str(error)
        return Example(str(file), b"", reason.lower())
    if data.startswith(b"RIFF"):
        return Example(str(file), data)
    from serkit.audio.containers import as_wav

    wav, problem = as_wav(data)
    return Example(str(file), wav, problem)


_FILE_KINDS = {stat.S_IFIFO: "a pipe", stat.S_IFDIR: "a directory", stat.S_IFSOCK: "a socket"}


def _read_regular_file(file: Path | str) -> bytes:
    # Check before opening: opening a pipe blocks until another process writes to it.
    mode = os.stat(file).st_mode
    if not stat.S_ISREG(mode):
        raise ValueError(f"is {_FILE_KINDS.get(stat.S_IFMT(mode), 'a device')}; valid is a file")
    return Path(file).read_bytes()


@dataclass(frozen=True)
class SignatureCall:
    """Signature to call, and how its inputs are filled.

    Attributes:
        signature: name of the signature.
        example_input: name of the input that takes the examples.
        shared_inputs: values of the other inputs, by name; each is the same for all examples.
    """

    signature: str
    example_input: str
    shared_inputs: Mapping[str, int] = field(default_factory=dict)

    def columns(self, examples: Sequence[Example]) -> dict[str, list[Any]]:
        """Return the inputs by name, each with a value per example."""
        columns: dict[str, list[Any]] = {
            self.example_input: [example.value for example in examples]
        }
        for name, value in self.shared_inputs.items():
            columns[name] = [value] * len(examples)
        return columns


@dataclass(frozen=True)
class Prediction:
    """Prediction of a model for one file.

    Attributes:
        file: path of the file as the caller gave it.
        label: the most probable class; empty if the file could not be used.
        probabilities: probability by class, summing to 1; empty if the file could not be used.
        problem: empty, or the reason why the file could not be used.
        entropy: entropy of the probabilities in nats.
        mutual_information: the part of the entropy that comes from disagreement between the Monte
            Carlo samples, in nats.
        abstain: whether the model abstains; True for a file that could not be used.
        note: empty, or a warning about a file that was used.

    Example:
        >>> import serkit
        >>> prediction = serkit.Prediction("a.wav", "happy", {"happy": 0.8, "sad": 0.2})
        >>> prediction.label, prediction.probabilities["happy"], prediction.abstain
        ('happy', 0.8, False)
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
        """Build a prediction from one row of a signature's outputs.

        Args:
            file: path of the file as the caller gave it.
            classes: labels in the order of the probabilities.
            outputs: values by the names in :mod:`serkit.export.signatures`. Text is ``str`` or
                ``bytes``.
        """
        problem = to_text(outputs[signatures.STATUS])
        if problem:
            return cls.failed(file, problem)
        probabilities = map(float, outputs[signatures.PROBABILITIES])
        return cls(
            file,
            to_text(outputs[signatures.LABEL]),
            dict(zip(classes, probabilities, strict=True)),
            entropy=float(outputs[signatures.ENTROPY]),
            mutual_information=float(outputs[signatures.MUTUAL_INFORMATION]),
            abstain=bool(outputs[signatures.ABSTAIN]),
            note=to_text(outputs[signatures.NOTE]),
        )

    @classmethod
    def failed(cls, file: str, problem: str) -> "Prediction":
        """Build the prediction of a file that could not be used."""
        return cls(file, "", {}, problem, abstain=True)


# Number of axes of the float outputs of one recording.
_AXES = {signatures.PROBABILITIES: 1, signatures.ENTROPY: 0, signatures.MUTUAL_INFORMATION: 0}


def wrong_outputs(outputs: Mapping[str, Any]) -> list[str]:
    """Return the names in :data:`serkit.export.signatures.OUTPUTS` whose values have other types.

    Args:
        outputs: one row of a signature's outputs, as a server sent it; none is missing.
    """
    return [name for name in signatures.OUTPUTS if not _is_valid(name, outputs[name])]


def _is_valid(name: str, value: Any) -> bool:
    if name in _AXES:
        try:
            return np.asarray(value, np.float64).ndim == _AXES[name]
        except (TypeError, ValueError, OverflowError):
            return False
    return isinstance(value, bool | np.bool_ if name == signatures.ABSTAIN else str | bytes)


def to_text(value: Any) -> str:
    """Return a string output as text; it is ``bytes`` over gRPC and ``str`` over REST."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
