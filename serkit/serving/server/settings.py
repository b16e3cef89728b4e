"""Settings of the server, and the model versions in a folder."""

import re
from dataclasses import dataclass
from pathlib import Path

from serkit.errors import InputError, check_choice, check_range
from serkit.export.versions import instead_of

CHOICES = ("newest", "all")


def versions_to_serve(model: Path, which: str = "newest") -> dict[int, Path]:
    """Folders of SavedModels by their versions, the smallest first.

    Args:
        model: a folder of versions, as TF Serving wants them: named by whole numbers; or one of
            them, or a SavedModel of any other name, which counts as version 1.
        which: ``newest``, or ``all``.

    Raises:
        InputError: if there is none.
    """
    check_choice("versions", which, CHOICES)
    if not model.is_dir():
        raise InputError(f"model {model} does not exist; a folder of a SavedModel is expected")
    if _is_saved_model(model):
        return {_number(model.resolve()) or 1: model}
    found = {_number(path): path for path in sorted(model.iterdir()) if _is_saved_model(path)}
    numbers = sorted(found.keys() - {0})
    if not numbers:
        raise InputError(
            f"model {model} has no saved_model.pb, nor a folder named by a whole number with one"
            + instead_of(model)
        )
    return {number: found[number] for number in (numbers if which == "all" else numbers[-1:])}


def model_name(model: Path) -> str:
    """What a model is called if nobody says: the name of the folder that holds its versions."""
    model = model.resolve()
    return model.parent.name if _number(model) and _is_saved_model(model) else model.name


def _is_saved_model(path: Path) -> bool:
    return (path / "saved_model.pb").is_file()


def _number(path: Path) -> int:
    """0 if it is none; TF Serving's are of 64 bits."""
    is_number = path.name.isascii() and path.name.isdecimal() and len(path.name) < 19
    return int(path.name) if is_number else 0


@dataclass(frozen=True)
class ServeSettings:
    """How ``serkit serve`` serves.

    Attributes:
        name: of the model, in addresses; empty for its folder's name.
        versions: ``newest`` or ``all`` of those in the folder.
        max_batch: examples that pass the model at a time; 1 puts no requests together.
        batch_delay: milliseconds that an example waits for others while the model is idle.
        queue: examples that may wait; more are refused with 503. A request with more is refused
            with 400.
        time_out: seconds until a request is given up (504), or the sending of its body (408).
        max_bytes: of a request's body; more are refused with 413. The bodies of all requests
            together may have four times as many.
        warm_up: whether the slow first calls are made before the server is ready.

    Raises:
        InputError: for a value out of range.
    """

    name: str = ""
    versions: str = "newest"
    max_batch: int = 8
    batch_delay: float = 2.0
    queue: int = 64
    time_out: float = 30.0
    max_bytes: int = 32 * 2**20
    warm_up: bool = True

    def __post_init__(self) -> None:
        if self.name and not re.fullmatch(r"[^/:\x00-\x20]+", self.name):
            raise InputError(
                f"name={self.name!r} cannot stand in an address; valid is a name without "
                "'/', ':' and spaces"
            )
        check_choice("versions", self.versions, CHOICES)
        check_range("max_batch", self.max_batch, 1, 1024)
        check_range("batch_delay", self.batch_delay, 0, 10_000)
        check_range("queue", self.queue, 1, 100_000)
        check_range("time_out", self.time_out, 0.1, 3600)
        check_range("max_bytes", self.max_bytes, 1024, 2**30)
