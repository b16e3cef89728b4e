"""A shared folder for machines without a common disk, at any address that fsspec knows."""

import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path

from serkit.errors import InputError
from serkit.files import remove_partials, replacing

_MARKER = ".done"
# Files of a local folder that are not uploaded: its lock, and the marker of the last download.
_LOCAL_FILES = (".lock", _MARKER)


class Share:
    """Files and folders at an address that several machines can access.

    An upload of a folder writes a marker file, ``.done``, last. A folder without this file is
    incomplete, for example because a machine was killed during the upload; it counts as missing.
    The marker has new random content for each upload. A download copies the marker too, so that
    :meth:`is_same` can compare the local folder with the last upload.

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

            self._filesystem, self._root = fsspec.core.url_to_fs(address)
        except (ImportError, ValueError) as error:
            raise InputError(
                "`share` must be an address that fsspec supports, with the package that fsspec "
                f"needs for it installed. Received: {address} ({error})."
            ) from error
        self.address = address

    def has(self, name: str) -> bool:
        """Return whether a file or a complete folder exists on the share."""
        path = self._path(name)
        if self._filesystem.isdir(path):
            return self._filesystem.exists(f"{path}/{_MARKER}")
        return self._filesystem.exists(path)

    def is_same(self, name: str, path: Path) -> bool:
        """Return whether the local folder ``path`` is a copy of the last upload of ``name``.

        The result is always False for a file.
        """
        local_marker, marker = path / _MARKER, f"{self._path(name)}/{_MARKER}"
        if not local_marker.exists() or not self._filesystem.exists(marker):
            return False
        return local_marker.read_bytes() == self._filesystem.cat_file(marker)

    def put(self, path: Path, name: str) -> None:
        """Upload a file or a folder.

        The upload overwrites files of the same name. Other files of an existing folder on the share
        stay.
        """
        target = self._path(name)
        if path.is_file():
            self._filesystem.makedirs(target.rpartition("/")[0], exist_ok=True)
            self._filesystem.put_file(str(path), target)
            return
        marker = f"{target}/{_MARKER}"
        if self._filesystem.exists(marker):
            self._filesystem.rm_file(marker)
        for file in _files_to_upload(path):
            file_on_share = f"{target}/{file.relative_to(path).as_posix()}"
            self._filesystem.makedirs(file_on_share.rpartition("/")[0], exist_ok=True)
            self._filesystem.put_file(str(file), file_on_share)
        self._filesystem.makedirs(target, exist_ok=True)
        self._filesystem.pipe_file(marker, uuid.uuid4().bytes)

    def get(self, name: str, path: Path) -> None:
        """Download a file or a folder to ``path``, replacing the file or folder there.

        Raises:
            FileNotFoundError: if the file does not exist, or the folder is not complete.
        """
        source = self._path(name)
        if not self.has(name):
            raise FileNotFoundError(f"{self.address}/{name} does not exist or is not complete")
        if not self._filesystem.isdir(source):
            with replacing(path) as partial:
                self._filesystem.get_file(source, str(partial))
            return
        # Download to a temporary folder, so that `path` is never incomplete. A killed process may
        # have left such a folder.
        temporary = path.with_name(f"{path.name}.fetched")
        shutil.rmtree(temporary, ignore_errors=True)
        for file_on_share in self._filesystem.find(source):
            file = temporary / file_on_share.removeprefix(source).lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            self._filesystem.get_file(file_on_share, str(file))
        shutil.rmtree(path, ignore_errors=True)
        temporary.rename(path)

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"


def _files_to_upload(folder: Path) -> Iterable[Path]:
    remove_partials(folder)
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return (file for file in files if file.name not in _LOCAL_FILES)
