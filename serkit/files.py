"""Write files under a temporary name and rename them when complete; read JSON; lock folders."""

import hashlib
import json
import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

_PARTIAL_PREFIX = ".partial-"


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path in the folder of ``path``; rename it to ``path`` at the end.

    The caller writes a file or a folder to the temporary path. So ``path`` is never half written.
    If the process is killed, ``path`` keeps its old content and a ``.partial-`` file or folder
    remains. An exception inside the block
    removes the temporary file or folder. A file replaces an existing file. A folder never replaces
    an existing file or folder.

    Raises:
        FileExistsError: if a folder was written and ``path`` exists.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The file name ends with the suffix of `path`, because some writers (NumPy, Keras) choose the
    # format by the suffix or append it. The host name is needed because processes in different
    # containers can have the same id.
    partial = path.with_name(f"{_PARTIAL_PREFIX}{platform.node()}-{os.getpid()}-{path.name}")
    _remove(partial)
    try:
        yield partial
        if partial.is_dir() and path.exists():
            raise FileExistsError(f"{path} exists and is not overwritten")
        os.replace(partial, path)
    finally:
        _remove(partial)


def remove_partials(folder: Path | str) -> None:
    """Remove the partial files and folders of killed processes at any depth below ``folder``.

    No other process may be writing to the folder.
    """
    for path in list(Path(folder).rglob(f"{_PARTIAL_PREFIX}*")):
        _remove(path)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Create a folder if missing, wait for its lock, and hold the lock in the ``with`` block."""
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        yield


def _remove(path: Path) -> None:
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
    """Read a JSON file written by :func:`write_json`."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def file_digest(path: Path | str) -> str:
    """Return the SHA-256 of a file's bytes in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
