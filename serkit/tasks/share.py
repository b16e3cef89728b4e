"""A shared folder for machines without a common disk, at any address that fsspec knows."""

import shutil
import tempfile
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from serkit.errors import InputError
from serkit.files import remove_partials, replacing

_DONE = ".done"
# Of a folder's copy on one machine alone.
_OWN = (".lock", _DONE)


class Share:
    """Files and folders at an address, whole or not there.

    A folder counts as there once a file ``.done`` is in it, which is written last: a machine that
    is killed while it puts something there leaves nothing that others take for a result. What is
    in it is another one each time, by which copies are known.

    Args:
        address: such as ``s3://bucket/run``, ``gs://…``, ``memory://run`` or ``file:///run``.

    Raises:
        InputError: if fsspec, or what it needs for this kind of address, is not installed.
    """

    def __init__(self, address: str) -> None:
        try:
            import fsspec

            self._files, self._root = fsspec.core.url_to_fs(address)
        except (ImportError, ValueError) as error:
            raise InputError(
                f"{address} cannot be used: {error}; valid is an address that fsspec knows, "
                "with what it needs for it installed"
            ) from error
        self.address = address

    def has(self, name: str) -> bool:
        """Whether a file or a whole folder is there."""
        path = self._path(name)
        if self._files.isdir(path):
            return self._files.exists(f"{path}/{_DONE}")
        return self._files.exists(path)

    def is_same(self, name: str, path: Path) -> bool:
        """Whether ``path`` is the folder that was put there last; of files it is not known."""
        mine, mark = path / _DONE, f"{self._path(name)}/{_DONE}"
        if not mine.exists() or not self._files.exists(mark):
            return False
        return mine.read_bytes() == self._files.cat_file(mark)

    def put(self, path: Path, name: str) -> None:
        """Put a file or a folder there, in place of what is."""
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
        """Get a file or a folder, in place of what is at ``path``.

        Raises:
            FileNotFoundError: if it is not there.
        """
        source = self._path(name)
        if not self.has(name):
            raise FileNotFoundError(f"{self.address}/{name} is not there, or not whole")
        if not self._files.isdir(source):
            with replacing(path) as partial:
                self._files.get_file(source, str(partial))
            return
        # Beside what is there, and then in its place: a killed process may have left a part of it.
        beside = path.with_name(f"{path.name}.fetched")
        shutil.rmtree(beside, ignore_errors=True)
        for there in self._files.find(source):
            file = beside / there.removeprefix(source).lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            self._files.get_file(there, str(file))
        shutil.rmtree(path, ignore_errors=True)
        beside.rename(path)

    def put_files(self, files: Mapping[str, Path], folder: str) -> None:
        """Put files into a folder, many at a time where the address can; replaces what is there.

        Args:
            files: by their names below ``folder``, which may have folders in them.
            folder: need not count as there as a whole.
        """
        there = [self._path(f"{folder}/{name}") for name in files]
        for parent in {path.rpartition("/")[0] for path in there}:
            self._files.makedirs(parent, exist_ok=True)
        if there:
            self._files.put(list(map(str, files.values())), there)

    def get_files(self, folder: str, names: Sequence[str], path: Path) -> None:
        """Get files of a folder to the same names below ``path``, in place of what is there.

        Raises:
            FileNotFoundError: if one is not there.
        """
        if not names:
            return
        path.mkdir(parents=True, exist_ok=True)
        # Beside what is there, which another process may be reading.
        with tempfile.TemporaryDirectory(prefix=".fetched-", dir=path) as beside:
            found = {name: Path(beside, str(number)) for number, name in enumerate(names)}
            there = [self._path(f"{folder}/{name}") for name in names]
            self._files.get(there, list(map(str, found.values())))
            for name, file in found.items():
                (path / name).parent.mkdir(parents=True, exist_ok=True)
                file.replace(path / name)

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"


def _files_in(folder: Path) -> Iterable[Path]:
    remove_partials(folder)
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in _OWN)
