"""The run folder: settings, versions, finished stages."""

import fcntl
import importlib.metadata
import platform
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import serkit
from serkit.errors import InputError, ResumeError
from serkit.files import read_json, remove_partials, write_json

_PACKAGES = (
    *("tensorflow", "keras", "tensorflow-probability", "tensorflow-io", "librosa", "numpy"),
    *("pandas", "keras-tuner", "scikit-learn", "scipy", "soundfile", "soxr"),
)


class Run:
    """A folder that a killed run leaves and the next one goes on from.

    It holds ``settings.json``, ``versions.json`` and one ``stages/<name>.json`` per finished
    stage; what a stage writes besides is the stage's affair.

    Args:
        folder: made if it is not there; one process at a time may use it.
        settings: JSON values; all that decides what comes out.

    Use it in a ``with`` statement: the folder is free for others at its end. If an InputError ends
    it before work has begun, the settings are forgotten, so that corrected ones may be used.

    Attributes:
        is_new: no earlier call has begun work in the folder.

    Raises:
        ResumeError: if the folder was made with other settings, or another process uses it.
    """

    def __init__(self, folder: Path | str, settings: dict[str, Any]) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = open(self.folder / ".lock", "w")  # noqa: SIM115 - held while the run lives
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            known = self.folder / "settings.json"
            self.is_new, self._begun = not known.exists(), False
            if not self.is_new:
                _require_same(read_json(known), settings, self.folder)
            else:
                write_json(self.folder / "versions.json", versions())
                write_json(known, settings)
            # Ours alone now: what a killed process was in the middle of writing is of no use.
            remove_partials(self.folder)
        except BlockingIOError as error:
            self._lock.close()
            raise ResumeError(f"{self.folder} is being used by another process") from error
        except BaseException:
            self._lock.close()
            raise

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, kind: type[BaseException] | None = None, *exception: object) -> None:
        mendable = kind is not None and issubclass(kind, InputError)
        if mendable and self.is_new and not self._begun:
            for name in ("settings.json", "versions.json"):
                (self.folder / name).unlink(missing_ok=True)
        self._lock.close()

    def begin_work(self) -> None:
        """Keep the settings from here on, whatever happens; a stage that begins does so, too."""
        self._begun = True

    def stage(self, name: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The result of ``work``: recorded from before if the stage is done, else done now.

        ``work`` returns JSON values. If it is killed it is called again by the next run, and has
        to see for itself what is there already.
        """
        record = self.folder / "stages" / f"{name}.json"
        if not record.exists():
            self.begin_work()
            started = time.monotonic()
            result = work()
            seconds = round(time.monotonic() - started, 1)
            write_json(record, {"result": result, "seconds": seconds})
        return read_json(record)["result"]

    def forget(self, name: str) -> None:
        """Have a stage done again, because what it left is gone."""
        (self.folder / "stages" / f"{name}.json").unlink(missing_ok=True)

    def is_done(self, name: str) -> bool:
        return (self.folder / "stages" / f"{name}.json").exists()

    def seconds(self) -> dict[str, float]:
        """How long each finished stage took; of a resumed stage, its last part."""
        records = sorted((self.folder / "stages").glob("*.json"))
        return {path.stem: read_json(path)["seconds"] for path in records}


def _require_same(known: dict[str, Any], wanted: dict[str, Any], folder: Path) -> None:
    names = sorted({*known, *wanted})
    changed = [name for name in names if known.get(name) != wanted.get(name)]
    if changed:
        details = "; ".join(
            f"{name} was {known.get(name)!r}, now {wanted.get(name)!r}" for name in changed
        )
        raise ResumeError(
            f"{folder} was made with other settings ({details}); choose another --out"
        )


def versions() -> dict[str, str]:
    """Versions of what decides the numbers: serkit, its git commit, Python, packages, machine."""
    found = {"serkit": serkit.__version__, "python": platform.python_version()}
    found |= {"machine": platform.machine(), "system": platform.system()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found | {"git_commit": _git_commit()}


def _git_commit() -> str:
    checkout = Path(serkit.__file__).parents[1]
    # Installed into somebody's environment, the commit around it would be of their project.
    if not (checkout / ".git").exists():
        return "not a checkout"
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(
            [*command, "--abbrev=40"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return done.stdout.strip() or "unknown"
