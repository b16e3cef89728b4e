"""Read the header of an audio file: its format and the length that it declares."""

import os
import stat
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from serkit.audio.containers import COMPRESSED, identify, ogg_is_whole
from serkit.datasets.findings import UnusableError

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_CODECS = {2: "MS ADPCM", 6: "A-law", 7: "mu-law", 0x11: "IMA ADPCM", 0x31: "GSM 6.10", 0x55: "MP3"}
# Programs write these values if they do not know the length when they write the header.
_UNKNOWN_LENGTHS = (0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
TOLERATED_SECONDS = 0.01
"""Largest number of missing seconds that is ignored.

A smaller difference is an inaccuracy of the program that wrote the header; no sound is missing.
"""
_MAX_CHUNKS = 1000


@dataclass(frozen=True, slots=True)
class Header:
    """Format of an audio file, and the length that a WAV header declares.

    Attributes:
        kind: ``"WAV"`` or a key of :data:`~serkit.audio.containers.COMPRESSED`.
        data_start: byte offset of the first sample, only for a WAV file that holds samples but
            declares none; 0 for any other file.
        seconds: length that the header declares; 0 if it declares none.
        missing_seconds: declared length minus actual length; 0 if the file is complete.
        length_unknown: whether the file is a WAV file whose header declares no length.
    """

    kind: str = "WAV"
    data_start: int = 0
    seconds: float = 0.0
    missing_seconds: float = 0.0
    length_unknown: bool = False

    def describe_missing(self) -> str:
        present_seconds = self.seconds - self.missing_seconds
        return f"truncated: its header says {self.seconds:.2f} s, {present_seconds:.2f} s are there"


def read_header(path: Path | str) -> Header:
    """Identify a file's format, and read the length that a WAV header declares.

    Call this before decoding, because a decoder may guess a file's format and length.

    Raises:
        UnusableError: if the file cannot be opened, is not a regular file, is empty, a Git LFS
            pointer or a web page, has a format or codec that serkit does not decode, or is an Ogg
            file without its last page.
    """
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise UnusableError("unreadable", "cannot be read: it is no regular file")
        file_size = status.st_size
        with open(path, "rb") as file:
            kind = identify(file)
            if kind == "WAV":
                return _read_chunks(file, file_size)
            if kind not in COMPRESSED:
                raise _format_error(kind, file, file_size)
            if kind == "Ogg Vorbis" and not ogg_is_whole(file):
                raise UnusableError(
                    "truncated", "truncated: the last page of the Ogg file is missing"
                )
            return Header(kind)
    except OSError as error:
        raise UnusableError("unreadable", f"cannot be read: {error.strerror or error}") from error


def _format_error(kind: str, file: BinaryIO, file_size: int) -> UnusableError:
    if kind == "an empty file":
        return UnusableError("unreadable", "cannot be read: the file is empty")
    if kind == "a Git LFS pointer":
        return UnusableError(
            "lfs-pointer",
            f"a Git LFS pointer of {file_size} bytes, not the recording: run `git lfs pull` where "
            "it was cloned",
        )
    if kind == "a web page":
        return UnusableError("html", "a web page, not a recording: the download failed")
    if kind:
        return UnusableError(
            "format",
            f"not a WAV, FLAC, MP3 or Ogg Vorbis file but {kind}, whatever its name says",
        )
    file.seek(0)
    first_bytes = file.read(12).decode("ascii", "backslashreplace")
    return UnusableError(
        "unreadable", f"cannot be read: it begins with {first_bytes!r}, as no recording does"
    )


def _read_chunks(file: BinaryIO, file_size: int) -> Header:
    # The first chunk starts after "RIFF", the file's length and "WAVE".
    position, bytes_per_second = 12, 0
    for _ in range(_MAX_CHUNKS):
        file.seek(position)
        chunk_header = file.read(8)
        if len(chunk_header) < 8:
            break
        chunk_id, chunk_length = struct.unpack("<4sI", chunk_header)
        if chunk_id == b"fmt ":
            bytes_per_second = _bytes_per_second(file.read(min(chunk_length, 40)))
        elif chunk_id == b"data":
            data_start = position + 8
            # A program that streams declares 0 bytes of data. If no chunk follows, samples do.
            if (
                chunk_length == 0
                and file_size > data_start
                and not _is_chunk_header(file.read(8), file_size - data_start)
            ):
                return Header(data_start=data_start, length_unknown=True)
            return _compare_lengths(chunk_length, file_size - data_start, bytes_per_second)
        # Chunks start at even offsets.
        position += 8 + chunk_length + chunk_length % 2
    return Header()


def _bytes_per_second(fmt_chunk: bytes) -> int:
    """Compute bytes per second from the content of a ``fmt `` chunk; 0 if it is too short.

    Raises:
        UnusableError: if serkit does not decode the codec.
    """
    if len(fmt_chunk) < 16:
        return 0
    codec, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", fmt_chunk)
    if codec == _EXTENSIBLE and len(fmt_chunk) >= 26:
        # The codec is the first field of the extension's GUID.
        (codec,) = struct.unpack_from("<H", fmt_chunk, 24)
    if codec not in (_PCM, _FLOAT, _EXTENSIBLE):
        name = _CODECS.get(codec, f"number {codec}")
        raise UnusableError("format", f"codec {name}; valid are PCM of 8 to 32 bits and float")
    return channels * rate * (-(-bits // 8))


def _is_chunk_header(content: bytes, bytes_left: int) -> bool:
    """Return whether 8 bytes are the header of another chunk rather than samples.

    Args:
        content: the 8 bytes after the header of a ``data`` chunk of declared length 0.
        bytes_left: number of bytes from ``content`` on to the end of the file.
    """
    if len(content) < 8:
        return False
    chunk_id, chunk_length = struct.unpack("<4sI", content)
    return all(0x20 <= byte < 0x7F for byte in chunk_id) and chunk_length <= bytes_left - 8


def _compare_lengths(declared_bytes: int, present_bytes: int, bytes_per_second: int) -> Header:
    if declared_bytes in _UNKNOWN_LENGTHS and present_bytes != declared_bytes:
        return Header(length_unknown=True)
    if not bytes_per_second:
        return Header()
    seconds = declared_bytes / bytes_per_second
    missing = (declared_bytes - present_bytes) / bytes_per_second
    missing = missing if missing > TOLERATED_SECONDS else 0.0
    return Header(seconds=seconds, missing_seconds=missing)
