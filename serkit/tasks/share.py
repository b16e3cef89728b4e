"""A shared folder for machines without a common disk, at any address that fsspec knows."""

from pathlib import Path, PurePosixPath

from serkit.errors import InputError
from serkit.files import file_digest, move_synced, remove_partials, remove_path

_LIST = ".sha256"
# Files of a local folder that are not uploaded: its lock, and the digests of the last download.
_LOCAL_FILES = (".lock", _LIST)


class Share:
    """Files and folders at an address that several machines can access.

    An upload writes a list of SHA-256 digests last: ``.sha256`` in a folder, ``NAME.sha256`` beside
    a file. A file or folder without the list is incomplete, for example because a machine was
    killed during the upload; it counts as missing. A download takes the listed files and verifies
    them. Of a folder it keeps the list, so that :meth:`is_same` can compare the local folder with
    the last upload.

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
        """Return whether a complete file or folder exists on the share."""
        return self._filesystem.exists(self._list_path(name))

    def is_same(self, name: str, path: Path) -> bool:
        """Return whether the local folder ``path`` is a download of what is on the share now.

        The result is always False for a file. The content of the local folder is not read.
        """
        local_list, list_path = path / _LIST, self._list_path(name)
        if not local_list.exists() or not self._filesystem.exists(list_path):
            return False
        return local_list.read_bytes() == self._filesystem.cat_file(list_path)

    def put(self, path: Path, name: str) -> None:
        """Upload a file or a folder.

        The upload overwrites files of the same name. Other files of an existing folder on the share
        stay.
        """
        target, list_path = self._path(name), self._list_path(name, path.is_dir())
        if self._filesystem.exists(list_path):
            self._filesystem.rm_file(list_path)
        if path.is_dir():
            remove_partials(path)
            self._filesystem.makedirs(target, exist_ok=True)
        lines = []
        for file in _files_of(path):
            relative = file.relative_to(path).as_posix() if file != path else ""
            file_on_share = f"{target}/{relative}" if relative else target
            lines.append(f"{file_digest(file)}  {relative}\n")
            self._filesystem.makedirs(file_on_share.rpartition("/")[0], exist_ok=True)
            self._filesystem.put_file(str(file), file_on_share)
        self._filesystem.pipe_file(list_path, "".join(lines).encode())

    def get(self, name: str, path: Path) -> None:
        """Download a file or a folder to ``path``, replacing the file or folder there.

        Raises:
            FileNotFoundError: if the file or folder does not exist or is not complete.
            OSError: if a file has another content than listed, for example because another machine
                is uploading it, or if the list names a file outside the folder.
        """
        source, list_path = self._path(name), self._list_path(name)
        if not self._filesystem.exists(list_path):
            raise FileNotFoundError(f"{self.address}/{name} does not exist or is not complete")
        listed = self._filesystem.cat_file(list_path)
        # Download to a temporary place, so that `path` is never incomplete. A killed process may
        # have left such a place.
        temporary = path.with_name(f"{path.name}.fetched")
        remove_path(temporary)
        try:
            if self._filesystem.isdir(source):
                temporary.mkdir(parents=True)
                (temporary / _LIST).write_bytes(listed)
            for line in listed.decode().splitlines():
                digest, _, relative = line.partition("  ")
                file = temporary / relative
                file_on_share = f"{source}/{relative}" if relative else source
                if ".." in PurePosixPath(relative).parts or PurePosixPath(relative).is_absolute():
                    raise OSError(f"{self.address}/{name} lists a file outside of it: {relative!r}")
                file.parent.mkdir(parents=True, exist_ok=True)
                self._filesystem.get_file(file_on_share, str(file))
                if file_digest(file) != digest:
                    raise OSError(
                        f"{self.address}/{name}: {relative or 'it'} has another content than its "
                        "SHA-256 says; give the same command again"
                    )
            remove_path(path)
            move_synced(temporary, path)
        finally:
            remove_path(temporary)

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"

    def _list_path(self, name: str, is_folder: bool | None = None) -> str:
        """Return the path of a list of digests; default: of what has the name on the share."""
        path = self._path(name)
        if is_folder is None:
            is_folder = self._filesystem.isdir(path)
        return f"{path}/{_LIST}" if is_folder else f"{path}{_LIST}"


def _files_of(path: Path) -> list[Path]:
    """Return the files to upload: the file itself, or all in a folder."""
    if path.is_file():
        return [path]
    files = (file for file in sorted(path.rglob("*")) if file.is_file())
    return [file for file in files if file.name not in _LOCAL_FILES]
