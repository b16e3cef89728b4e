"""The first bytes of a file: what it really is, and how long its WAV header says it is."""

import os
import re
import stat
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from serkit.corpora.findings import Unusable

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_HTML = re.compile(rb"\s*(<!doctype html|<html|<head|<\?xml)", re.IGNORECASE)
_OTHER_FORMATS = {
    b"fLaC": "FLAC",
    b"FORM": "AIFF",
    b"OggS": "Ogg",
    b"ID3": "MP3",
    b"\xff\xfb": "MP3",
    b"\xff\xf3": "MP3",
    b"\xff\xfa": "MP3",
    b"\xff\xf2": "MP3",
    b"NIST_1A": "NIST SPHERE",
    b"riff": "W64",
    b"RF64": "RF64",
    b"RIFX": "RIFX (big-endian)",
}
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_CODECS = {2: "MS ADPCM", 6: "A-law", 7: "mu-law", 0x11: "IMA ADPCM", 0x31: "GSM 6.10", 0x55: "MP3"}
# What programs write that do not know the length yet, or never come back to say it.
_UNKNOWN_LENGTHS = (0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
# Headers that are off by a few samples are a writer's slip; nothing of the sound is missing.
_TOLERATED_SECONDS = 0.01
_MOST_CHUNKS = 1000


@dataclass(frozen=True, slots=True)
class Header:
    """What a WAV header says of the length.

    Attributes:
        seconds: by the header; 0 if it does not say.
        missing_seconds: by how much the file is shorter; 0 if it is whole.
        length_unknown: it is a WAV file whose header does not say.
    """

    seconds: float = 0.0
    missing_seconds: float = 0.0
    length_unknown: bool = False

    def describe_missing(self) -> str:
        there = self.seconds - self.missing_seconds
        return f"truncated: its header says {self.seconds:.2f} s, {there:.2f} s are there"


def read_header(path: Path | str) -> Header:
    """Look at a file's first bytes and its RIFF chunks, before a decoder may guess at them.

    Raises:
        Unusable: if it cannot be opened, is empty, a Git LFS pointer, a web page, of another format
            or with a codec that serkit does not decode.
    """
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            raise Unusable("unreadable", "cannot be read: it is no regular file")
        size = found.st_size
        with open(path, "rb") as file:
            head = file.read(512)
            if not head:
                raise Unusable("unreadable", "cannot be read: the file is empty")
            if head.startswith(_LFS_POINTER):
                raise Unusable(
                    "lfs-pointer",
                    f"a Git LFS pointer of {size} bytes, not the recording: run `git lfs pull` "
                    "where it was cloned",
                )
            if _HTML.match(head.removeprefix(b"\xef\xbb\xbf")):
                raise Unusable("html", "a web page, not a recording: the download failed")
            if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
                raise _not_wav(head)
            return _read_chunks(file, size)
    except OSError as error:
        raise Unusable("unreadable", f"cannot be read: {error.strerror or error}") from error


def _not_wav(head: bytes) -> Unusable:
    if head[4:8] == b"ftyp":
        return Unusable("format", "not a WAV file but MPEG-4, whatever its name says")
    for magic, name in _OTHER_FORMATS.items():
        if head.startswith(magic):
            return Unusable("format", f"not a WAV file but {name}, whatever its name says")
    shown = head[:12].decode("ascii", "backslashreplace")
    return Unusable("unreadable", f"cannot be read: it begins with {shown!r}, not as a WAV file")


def _read_chunks(file: BinaryIO, size: int) -> Header:
    place, bytes_per_second = 12, 0
    for _ in range(_MOST_CHUNKS):
        file.seek(place)
        chunk = file.read(8)
        if len(chunk) < 8:
            break
        name, length = struct.unpack("<4sI", chunk)
        if name == b"fmt ":
            bytes_per_second = _bytes_per_second(file.read(min(length, 40)))
        elif name == b"data":
            return _compare(length, size - place - 8, bytes_per_second)
        # Chunks start at even places.
        place += 8 + length + length % 2
    return Header()


def _bytes_per_second(fields: bytes) -> int:
    """By the content of a ``fmt `` chunk; 0 if that is too short."""
    if len(fields) < 16:
        return 0
    codec, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", fields)
    if codec == _EXTENSIBLE and len(fields) >= 26:
        (codec,) = struct.unpack_from("<H", fields, 24)
    if codec not in (_PCM, _FLOAT, _EXTENSIBLE):
        name = _CODECS.get(codec, f"number {codec}")
        raise Unusable("format", f"codec {name}; valid are PCM of 8 to 32 bits and float")
    return channels * rate * (-(-bits // 8))


def _compare(announced: int, there: int, bytes_per_second: int) -> Header:
    if announced in _UNKNOWN_LENGTHS and there != announced:
        return Header(length_unknown=True)
    if not bytes_per_second:
        return Header()
    seconds = announced / bytes_per_second
    missing = (announced - there) / bytes_per_second
    return Header(seconds, missing if missing > _TOLERATED_SECONDS else 0.0)
