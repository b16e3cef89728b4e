"""A shared folder for machines without a common disk, at any address that fsspec knows."""

import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path

from serkit.errors import InputError
from serkit.files import remove_partials, replacing

_DONE = ".done"
# Files that belong to one machine's copy of a folder. They are not uploaded with the folder.
_OWN = (".lock", _DONE)


class Share:
    """Files and folders at an address that several machines can access.

    A folder is complete once it holds a file ``.done``, which is written last. So if a machine is
    killed during an upload, other machines do not take the incomplete folder for a result. Each
    upload writes new random contents to ``.done``. They identify the version of a copy.

    Args:
        address: address such as ``s3://bucket/run``, ``gs://…``, ``memory://run`` or
            ``file:///run``.

    Raises:
        InputError: if fsspec, or a package that it needs for this kind of address, is not
            installed, or if fsspec does not know the kind of address.
    """

    def __init__(self, address: str) -> None:
        try:
            import fsspec

            self._files, self._root = fsspec.core.url_to_fs(address)
        except (ImportError, ValueError) as error:
            raise InputError(
                "`share` must be an address that fsspec supports, with the package that fsspec "
                f"needs for it installed. Received: {address} ({error})."
            ) from error
        self.address = address

    def has(self, name: str) -> bool:
        """Return whether a file or a complete folder exists on the share."""
        path = self._path(name)
        if self._files.isdir(path):
            return self._files.exists(f"{path}/{_DONE}")
        return self._files.exists(path)

    def is_same(self, name: str, path: Path) -> bool:
        """Return whether the local folder ``path`` is a copy of the last upload of ``name``.

        The result is always False for a file.
        """
        mine, mark = path / _DONE, f"{self._path(name)}/{_DONE}"
        if not mine.exists() or not self._files.exists(mark):
            return False
        return mine.read_bytes() == self._files.cat_file(mark)

    def put(self, path: Path, name: str) -> None:
        """Upload a file or a folder.

        The upload overwrites files of the same name. Other files of an existing folder on the share
        stay.
        """
        target = self._path(name)
        if path.is_file():
            self._files.makedirs(target.rpartition("/")[0], exist_ok=True)
            self._files.put_file(str(path), target)
            return
        mark = f"{target}/{_DONE}"
        if self._files.exists(mark):
            self._files.rm_file(mark)
        for file in _files_in(path):
            there = f"{target}/{file.relative_to(path).as_posix()}"
            self._files.makedirs(there.rpartition("/")[0], exist_ok=True)
            self._files.put_file(str(file), there)
        self._files.makedirs(target, exist_ok=True)
        self._files.pipe_file(mark, uuid.uuid4().bytes)

    def get(self, name: str, path: Path) -> None:
        """Download a file or a folder to ``path``, replacing the file or folder there.

        Raises:
            FileNotFoundError: if the file does not exist, or the folder is not complete.
        """
        source = self._path(name)
        if not self.has(name):
            raise FileNotFoundError(f"{self.address}/{name} does not exist or is not complete")
        if not self._files.isdir(source):
            with replacing(path) as partial:
                self._files.get_file(source, str(partial))
            return
        # Download to a temporary folder first. Remove it before, because a killed process may have
        # left an incomplete one.
        beside = path.with_name(f"{path.name}.fetched")
        shutil.rmtree(beside, ignore_errors=True)
        for there in self._files.find(source):
            file = beside / there.removeprefix(source).lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            self._files.get_file(there, str(file))
        shutil.rmtree(path, ignore_errors=True)
        beside.rename(path)

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"


def _files_in(folder: Path) -> Iterable[Path]:
    remove_partials(folder)
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in _OWN)
