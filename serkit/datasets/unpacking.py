"""Unpack downloaded archives up to a size."""

import gzip
import io
import re
import tarfile
import zipfile
import zlib
from pathlib import Path

_SEPARATOR = re.compile(r"[/\\]")
_POINTER_PATH = re.compile(r"[^/]+/AudioWAV/([^/]+\.wav)")
_POINTER_CONTENT = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\noid sha256:([0-9a-f]{64})\nsize (\d+)\n"
)


def base_name(name: str) -> str:
    """Return the last part of a path of an archive or a list, with / or a backslash."""
    return _SEPARATOR.split(name)[-1]


def unpack_zip(archive: Path, folder: Path, max_bytes: int) -> None:
    """Unpack a zip file into a new folder.

    Args:
        archive: the zip file.
        folder: folder that does not exist.
        max_bytes: limit of the unpacked files together.

    Raises:
        ValueError: if the file is no sound zip, would write outside the folder, or is too large
            when unpacked. For the last two nothing is written.
    """
    try:
        with zipfile.ZipFile(archive) as zip_file:
            for name in zip_file.namelist():
                if name.startswith("/") or ".." in _SEPARATOR.split(name):
                    raise ValueError(f"it would write to {name!r}")
            # zipfile reads no more of a file than its declared size.
            size = sum(entry.file_size for entry in zip_file.infolist())
            if size > max_bytes:
                raise ValueError(f"it unpacks to {size} bytes, more than {max_bytes}")
            zip_file.extractall(folder)
    except zipfile.BadZipFile as error:
        raise ValueError(f"it is no sound zip file: {error}") from error


def read_pointers(archive: Path, max_bytes: int) -> dict[str, tuple[str, int]]:
    """Read the checksum and size of each recording from a repository's Git LFS pointers.

    Args:
        archive: tar.gz of the repository.
        max_bytes: limit of the unpacked archive.

    Returns:
        SHA-256 in hexadecimal digits and size in bytes, by file name.

    Raises:
        ValueError: if the archive is damaged or too large when unpacked, or if a recording in it is
            not a Git LFS pointer.
    """
    pointer_by_name = {}
    try:
        with (
            gzip.open(archive) as unpacked,
            tarfile.open(fileobj=_Limited(unpacked, max_bytes), mode="r|") as tar_file,
        ):
            for member in tar_file:
                path_match = _POINTER_PATH.fullmatch(member.name)
                if path_match is None:
                    continue
                file = tar_file.extractfile(member) if member.isfile() else None
                content = file.read(1024) if file else b""
                pointer = _POINTER_CONTENT.fullmatch(content)
                if pointer is None:
                    raise ValueError(f"{member.name} is no Git LFS pointer")
                pointer_by_name[path_match[1]] = (pointer[1].decode(), int(pointer[2]))
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise ValueError(str(error)) from error
    return pointer_by_name


class _Limited(io.RawIOBase):
    """File that can be read up to a number of bytes, for tarfile."""

    def __init__(self, file: gzip.GzipFile, max_bytes: int) -> None:
        super().__init__()
        self._file, self._max_bytes, self._bytes_left = file, max_bytes, max_bytes

    def read(self, size: int = -1, /) -> bytes:
        data = self._file.read(size)
        self._bytes_left -= len(data)
        if self._bytes_left < 0:
            raise ValueError(f"it unpacks to more than {self._max_bytes} bytes")
        return data
