"""The run folder: settings, versions, and a lock."""

import importlib.metadata
import platform
import subprocess
from pathlib import Path
from typing import Any

import filelock

import serkit
from serkit.errors import InputError, ResumeError
from serkit.files import read_json, remove_partials, write_json

_PACKAGES = (
    "tensorflow",
    "keras",
    "tensorflow-probability",
    "tensorflow-io",
    "librosa",
    "numpy",
    "pandas",
    "keras-tuner",
    "scikit-learn",
    "scipy",
    "soundfile",
    "soxr",
)


class RunFolder:
    """Run folder from which an interrupted run can be resumed.

    The folder holds ``settings.json`` and ``versions.json``, beside what the run writes.

    Use this class in a ``with`` statement, which locks the folder. If an InputError leaves the
    statement before work has begun, the settings are removed. The user can then start again with
    corrected settings.

    Args:
        folder: the run folder, created if missing; only one process at a time may use it.
        settings: JSON values, all settings that the results depend on.

    Attributes:
        is_new: whether the folder held no settings of an earlier run.

    Raises:
        ResumeError: if the folder was made with other settings, or another process uses it.
    """

    def __init__(self, folder: Path | str, settings: dict[str, Any]) -> None:
        self.folder: Path = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = filelock.FileLock(self.folder / ".lock")
        try:
            self._lock.acquire(timeout=0)
        except filelock.Timeout as error:
            raise ResumeError(f"{self.folder} is being used by another process") from error
        try:
            known = self.folder / "settings.json"
            self.is_new: bool = not known.exists()
            self._begun = False
            if not self.is_new:
                _require_same(read_json(known), settings, self.folder)
            else:
                write_json(self.folder / "versions.json", versions())
                write_json(known, settings)
            # This process holds the lock, so partial files are left over from killed processes.
            remove_partials(self.folder)
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> "RunFolder":
        return self

    def __exit__(self, kind: type[BaseException] | None = None, *exception: object) -> None:
        mendable = kind is not None and issubclass(kind, InputError)
        if mendable and self.is_new and not self._begun:
            for name in ("settings.json", "versions.json"):
                (self.folder / name).unlink(missing_ok=True)
        self._lock.release()

    def begin_work(self) -> None:
        """Keep the settings from now on, even if an error occurs."""
        self._begun = True


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
    """Return all versions that may affect results: serkit and its commit, Python, packages, system.

    The machine's architecture is included.
    """
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
    # If serkit is installed as a package, git would find a repository of the user around it.
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
