"""What a model is asked about: a recording, or why there is none."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Example:
    """One recording.

    Attributes:
        name: a file's path as it was given, or any other.
        value: bytes of a WAV file, or an array.
        problem: empty, or why there is no value.
    """

    name: str
    value: Any
    problem: str = ""


def read_example(file: Path | str) -> Example:
    """A WAV file's bytes, or those of one made of a FLAC, MP3 or Ogg Vorbis file.

    If it cannot be read or decoded, or is no file but a pipe, a device or a folder, which may have
    no end, there is a problem.
    """
    try:
        data = _read(file)
    except (OSError, ValueError) as error:
        # ValueError: a path with a zero in it.
        return Example(str(file), b"", (getattr(error, "strerror", "") or str(error)).lower())
    if data.startswith(b"RIFF"):
        return Example(str(file), data)
    from serkit.data.by_soundfile import as_wav

    return Example(str(file), *as_wav(data))


def _read(file: Path | str) -> bytes:
    # Before it is opened: a pipe waits for somebody who writes into it.
    mode = os.stat(file).st_mode
    if not stat.S_ISREG(mode):
        raise ValueError(f"is {_KINDS.get(stat.S_IFMT(mode), 'a device')}; valid is a file")
    return Path(file).read_bytes()


_KINDS = {stat.S_IFIFO: "a pipe", stat.S_IFDIR: "a directory", stat.S_IFSOCK: "a socket"}
