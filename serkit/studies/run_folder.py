"""The run folder: its settings, the versions of packages, and a lock."""

import importlib.metadata
import platform
import subprocess
from collections.abc import Collection
from pathlib import Path
from typing import Any

import filelock

import serkit
from serkit.errors import DamagedFileError, ResumeError, short_repr
from serkit.files import read_json_object, remove_partials, write_json

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

_MAX_CHANGES_SHOWN = 4
_LOCK_FILE = ".lock"


class RunFolder:
    """Run folder from which an interrupted run can be resumed.

    The folder holds ``settings.json``, ``versions.json`` and the files that the run writes.

    The constructor locks the folder. Use the object in a ``with`` statement, whose end unlocks it.
    The settings are written by :meth:`begin_work`, or at the end of the statement. So a call that
    fails or is killed before any work does not bind later calls to its settings; one that fails
    before it writes any file leaves no folder.

    Args:
        folder: the run folder, created if missing; only one process at a time may use it.
        settings: all settings that the results depend on, as JSON values.
        changeable: names of settings that a later call may change. They are not written, and those
            that an earlier version wrote are ignored.

    Attributes:
        folder: the run folder.
        is_new: whether the folder held no settings of an earlier run.

    Raises:
        DamagedFileError: if ``settings.json`` cannot be read.
        ResumeError: if the folder was made with other settings, or another process uses it.
    """

    def __init__(
        self, folder: Path | str, settings: dict[str, Any], changeable: Collection[str] = ()
    ) -> None:
        self.folder: Path = Path(folder)
        self._is_created = not self.folder.exists()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = filelock.FileLock(self.folder / _LOCK_FILE)
        try:
            self._lock.acquire(timeout=0)
        except filelock.Timeout as error:
            raise ResumeError(f"{self.folder} is being used by another process") from error
        try:
            settings_file = self.folder / "settings.json"
            settings = _without(settings, changeable)
            self.is_new: bool = not settings_file.exists()
            self._has_begun = False
            self._settings = settings
            if not self.is_new:
                earlier = _without(_read_settings(settings_file), changeable)
                _require_same(earlier, settings, self.folder)
            # Partial files come from killed processes, because this process holds the lock.
            remove_partials(self.folder)
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> "RunFolder":
        return self

    def __exit__(
        self, exception_type: type[BaseException] | None = None, *exception: object
    ) -> None:
        if exception_type is None:
            self.begin_work()
        elif self._is_created and [file.name for file in self.folder.iterdir()] == [_LOCK_FILE]:
            (self.folder / _LOCK_FILE).unlink()
            self.folder.rmdir()
        self._lock.release()

    def begin_work(self) -> None:
        """Write ``settings.json`` and ``versions.json``, unless the folder has them."""
        if self.is_new and not self._has_begun:
            write_json(self.folder / "versions.json", versions())
            write_json(self.folder / "settings.json", self._settings)
        self._has_begun = True


def _read_settings(file: Path) -> dict[str, Any]:
    try:
        return read_json_object(file)
    except DamagedFileError as error:
        # Without its settings, nobody knows what the folder holds.
        advice = "choose another --out, or delete the folder"
        raise DamagedFileError(file, error.reason, advice) from error


def _without(settings: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in names}


def _require_same(old: dict[str, Any], new: dict[str, Any], folder: Path) -> None:
    # A version of serkit may add settings to a command, but commands have few in common.
    if 2 * len({*old} & {*new}) < len({*old} | {*new}):
        raise ResumeError(f"{folder} is the folder of another command's run; choose another --out")
    old, new = _flattened(old), _flattened(new)
    changes = [
        f"{name} was {short_repr(old.get(name))}, now {short_repr(new.get(name))}"
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]
    if changes:
        details = "; ".join(changes[:_MAX_CHANGES_SHOWN])
        if hidden_count := len(changes[_MAX_CHANGES_SHOWN:]):
            details += f"; and {hidden_count} more"
        raise ResumeError(
            f"{folder} was made with other settings ({details}); choose another --out"
        )


def _flattened(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings with a name such as ``gans.steps`` for each setting in a dictionary."""
    flat = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{key}": inner for key, inner in _flattened(value).items()}
        else:
            flat[name] = value
    return flat


def versions() -> dict[str, str]:
    """Return all versions that may affect results, by name.

    These are the versions of serkit, its git commit, Python and packages, the operating system, and
    the architecture of the machine.
    """
    version_by_name = {
        "serkit": serkit.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.system(),
    }
    for package in _PACKAGES:
        try:
            version_by_name[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            version_by_name[package] = "not installed"
    return version_by_name | {"git_commit": _git_commit()}


def _git_commit() -> str:
    checkout = Path(serkit.__file__).parents[1]
    # If serkit is installed as a package, git might find a repository of the user around it.
    if not (checkout / ".git").exists():
        return "not a checkout"
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty"]
    try:
        process = subprocess.run(
            [*command, "--abbrev=40"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return process.stdout.strip() or "unknown"
