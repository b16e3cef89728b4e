"""Settings of the server, and the model versions in a folder."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from serkit.errors import InputError, check_choice, check_range
from serkit.export.versions import instead_of, version_number, versions

VERSION_CHOICES = ("newest", "all")
SMALL_ANSWER = 2**16
"""Size in bytes up to which an answer does not count as memory: there are not many connections."""


def versions_to_serve(model: Path, choice: str = "newest") -> dict[int, Path]:
    """Find the folders of the SavedModels to serve.

    Args:
        model: one of: a folder of versions, whose names are integers, as TF Serving expects it; the
            folder of one version; a SavedModel with any other name, which counts as version 1.
        choice: ``newest`` or ``all``.

    Returns:
        Folders by version number, smallest number first.

    Raises:
        InputError: if there is no SavedModel, or ``choice`` is not known.
    """
    check_choice("versions", choice, VERSION_CHOICES)
    if not model.is_dir():
        raise InputError(f"model {model} does not exist; a folder of a SavedModel is expected")
    if _is_saved_model(model):
        return {version_number(model.resolve()) or 1: model}
    path_by_number = {
        number: path for number, path in versions(model).items() if _is_saved_model(path)
    }
    if not path_by_number:
        raise InputError(
            f"model {model} has no saved_model.pb, nor a folder named by a whole number with one"
            + instead_of(model)
        )
    if choice == "all":
        return path_by_number
    newest = max(path_by_number)
    return {newest: path_by_number[newest]}


def model_name(model: Path) -> str:
    """Return the default name of a model: the name of the folder that holds its versions."""
    model = model.resolve()
    return model.parent.name if version_number(model) and _is_saved_model(model) else model.name


def _is_saved_model(path: Path) -> bool:
    return (path / "saved_model.pb").is_file()


@dataclass(frozen=True)
class ServeSettings:
    """Settings of ``serkit serve``.

    Attributes:
        name: name of the model in addresses; empty for the name of the folder that holds its
            versions.
        versions: versions to serve from the folder, ``newest`` or ``all``.
        max_batch: maximum number of examples per batch, 1 to 1,024; 1 disables batching.
        batch_delay: time in milliseconds that an example waits for further examples while the model
            is idle, 0 to 10,000.
        queue: maximum number of waiting examples, 1 to 100,000. A request that does not fit into
            the queue is refused with 503, a request with more examples than the maximum with 400.
        time_out: maximum time in seconds for each of: the head of a request, its body (408), its
            answer (504), and the client's reading of the answer, 0.1 to 3,600.
        max_bytes: maximum size of a request's body in bytes, 1 KiB to 1 GiB; a longer body is
            refused with 413. The limit for the bodies of all requests together is four times this
            value.
        max_answer: maximum size of an answer in bytes, 64 KiB to 1 GiB; a request with a longer
            answer is refused with 400. The limit for all answers that clients have not read yet is
            four times this value; answers of up to 64 KiB do not count.
        allowed_hosts: names by which clients reach the server, besides IP addresses and
            ``localhost``.
        token: token that requests for predictions, metadata and metrics must have; empty for none.
        metrics_port: port of ``/metrics``, 0 for any free one; None for the port of the rest.
        trust: load a model even if it reads or writes files, or runs Python code.
        warm_up: whether to make the slow first calls before the server reports that it is ready.

    Raises:
        InputError: if a value is out of range.
    """

    name: str = ""
    versions: str = "newest"
    max_batch: int = 8
    batch_delay: float = 2.0
    queue: int = 64
    time_out: float = 30.0
    max_bytes: int = 32 * 2**20
    max_answer: int = 32 * 2**20
    allowed_hosts: tuple[str, ...] = ()
    token: str = field(default="", repr=False)
    metrics_port: int | None = None
    trust: bool = False
    warm_up: bool = True

    def __post_init__(self) -> None:
        if self.name and not re.fullmatch(r"[^/:\x00-\x20]+", self.name):
            raise InputError(
                f"name={self.name!r} cannot stand in an address; valid is a name without "
                "'/', ':' and spaces"
            )
        check_choice("versions", self.versions, VERSION_CHOICES)
        check_range("max_batch", self.max_batch, 1, 1024)
        check_range("batch_delay", self.batch_delay, 0, 10_000)
        check_range("queue", self.queue, 1, 100_000)
        check_range("time_out", self.time_out, 0.1, 3600)
        check_range("max_bytes", self.max_bytes, 1024, 2**30)
        check_range("max_answer", self.max_answer, SMALL_ANSWER, 2**30)
        if self.metrics_port is not None:
            check_range("metrics_port", self.metrics_port, 0, 65_535)
