"""Write files under a temporary name and rename them when complete; read JSON; lock folders."""

import errno
import hashlib
import json
import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from serkit.errors import DamagedFileError, InputError, is_disk_full, short_repr

_PARTIAL_PREFIX = ".partial-"
# By these files, commands and users know whose folder it is.
_RESULT_FILES = ("settings.json", "audit.json", "evaluation.json")


def require_no_other_results(out: Path | str, own: str = "") -> None:
    """Raise InputError if a folder has the results of another command, which would be mixed up.

    Args:
        out: the folder, which need not exist.
        own: name of the caller's own file of results, which it may replace.
    """
    for name in _RESULT_FILES:
        if name != own and Path(out, name).exists():
            raise InputError(
                f"`out` must not be the folder of another command's run. Received: {out}, with "
                f"{name}."
            )


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path in the folder of ``path``; rename it to ``path`` at the end.

    The caller writes a file or a folder to the temporary path. So ``path`` is never half written.
    If the process is killed or the power fails, ``path`` keeps its old content or has the complete
    new one, see :func:`move_synced`, and a ``.partial-`` file or folder may remain. An exception
    inside the block removes the temporary file or folder. A file replaces an existing file. A
    folder never replaces an existing file or folder.

    Raises:
        FileExistsError: if a folder was written and ``path`` exists.
        OSError: if the disk is full, whatever exception the block raises then. It names ``path``.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The file name ends with the suffix of `path`, because some writers (NumPy, Keras) choose the
    # format by the suffix or append it. The host name is needed because processes in different
    # containers can have the same id.
    partial = path.with_name(f"{_PARTIAL_PREFIX}{platform.node()}-{os.getpid()}-{path.name}")
    remove_path(partial)
    try:
        yield partial
        if partial.is_dir() and path.exists():
            raise FileExistsError(f"{path} exists and is not overwritten")
        move_synced(partial, path)
    except Exception as error:
        # A library may raise an error of its own for a full disk, and not name the file.
        if is_disk_full(error, partial.parent):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
        raise
    finally:
        remove_path(partial)


def move_synced(source: Path, target: Path) -> None:
    """Rename a complete file or folder; the new name survives a power failure only with all bytes.

    Without this, a file system may store the new name before the content of the file. Syncing takes
    a millisecond per file on a solid-state disk, and some ten on others.
    """
    for path in (*source.rglob("*"), source):
        _sync(path)
    os.replace(source, target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    """Wait until the content of a file, or the names in a folder, are on the disk."""
    is_windows = os.name == "nt"
    if is_windows and path.is_dir():
        # Windows cannot open folders.
        return
    descriptor = os.open(path, os.O_RDWR if is_windows else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot sync folders.
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(descriptor)


def remove_partials(folder: Path | str) -> None:
    """Remove the partial files and folders of killed processes at any depth below ``folder``.

    No other process may be writing to the folder.
    """
    for path in list(Path(folder).rglob(f"{_PARTIAL_PREFIX}*")):
        remove_path(path)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Create a folder if missing, wait for its lock, and hold the lock in the ``with`` block."""
    # Imported here, since its import takes longer than that of this module.
    from filelock import FileLock

    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        yield


def remove_path(path: Path) -> None:
    """Remove a file or a folder, if it exists."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> None:
    """Write ``text`` as UTF-8; readers see the complete old file or the complete new one."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Write ``value`` as indented JSON; dictionaries keep their order.

    Raises:
        ValueError: if ``value`` holds NaN or an infinity, which JSON cannot represent.
    """
    text = json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False)
    write_text(path, text + "\n")


def read_json(path: Path | str) -> Any:
    """Read a JSON file written by :func:`write_json`.

    Raises:
        DamagedFileError: if the file is not JSON.
        OSError: if the file does not exist or cannot be read.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(path, f"it is not JSON: {error}") from error


def read_json_object(path: Path | str, **types: type) -> dict[str, Any]:
    """Read a JSON object written by :func:`write_json`, and check some of its values.

    Args:
        path: the file.
        **types: type of each value that the caller uses, by name. A ``float`` may be an integer in
            the file.

    Raises:
        DamagedFileError: if the file is not a JSON object, or lacks such a value.
        OSError: if the file does not exist or cannot be read.
    """
    values = read_json(path)
    if not isinstance(values, dict):
        raise DamagedFileError(path, f"it must hold a JSON object, not {short_repr(values)}")
    for name, expected in types.items():
        valid = (int, float) if expected is float else expected
        if name not in values:
            raise DamagedFileError(path, f"it lacks {name!r}")
        if not isinstance(values[name], valid):
            raise DamagedFileError(
                path,
                f"{name!r} must be of type {expected.__name__}, not {short_repr(values[name])}",
            )
    return values


def file_digest(path: Path | str) -> str:
    """Return the SHA-256 of a file's bytes in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
