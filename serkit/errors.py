"""Errors that a user can correct; the command line prints them as one line."""

import errno
import os
import re
import shutil
from collections.abc import Collection
from pathlib import Path


class SerkitError(Exception):
    """Base class of the errors that serkit raises on purpose.

    Example:
        >>> import serkit
        >>> try:
        ...     serkit.SpectrogramSpec(kind="bark")
        ... except serkit.SerkitError as error:
        ...     print(error)
        `kind` must be one of: linear, log, mel. Received: kind='bark'.
    """


class InputError(SerkitError, ValueError):
    """An argument or an input is invalid; the message names it and the valid values.

    Example:
        >>> import serkit
        >>> serkit.SyntheticSettings(size=2)
        Traceback (most recent call last):
        serkit.errors.InputError: `size` must be between 0.001 and 0.2. Received: size=2.
    """


class RecordingError(SerkitError):
    """A recording cannot be read or holds no usable sound; the message names the file."""


class LeakError(SerkitError):
    """Clips of a validation or test speaker would be used for fitting.

    Example:
        >>> import serkit
        >>> serkit.Speakers(frozenset({"ann"}), frozenset({"ann"}), frozenset({"bob"}))
        Traceback (most recent call last):
        serkit.errors.LeakError: speakers in more than one part: ann
    """


class ResumeError(SerkitError):
    """A run folder was made with settings that differ from the current ones."""


class DamagedFileError(SerkitError, ValueError):
    """A file that serkit wrote is truncated or was changed.

    Args:
        path: the file.
        reason: what is wrong with it.
        advice: what the user can do. The default is for a file whose content is computed again.
    """

    def __init__(
        self,
        path: Path | str,
        reason: str,
        advice: str = "delete it, then give the same command again",
    ) -> None:
        super().__init__(path, reason, advice)
        self.path, self.reason, self.advice = path, reason, advice

    def __str__(self) -> str:
        return f"{self.path} is damaged: {self.reason}; {self.advice}"


class DivergedError(SerkitError):
    """Values of a training run are no longer finite; the message names the step."""


class DownloadError(SerkitError):
    """A download failed; the message names the address and what to do."""


def check_choice(name: str, value: str, valid: Collection[str]) -> None:
    """Raise InputError unless ``value`` is one of ``valid``; ``name`` is the argument's name."""
    if value not in valid:
        raise InputError(
            f"`{name}` must be one of: {', '.join(sorted(valid))}. Received: {name}={value!r}."
        )


def check_range(name: str, value: float, low: float, high: float | None = None) -> None:
    """Raise InputError unless ``low <= value`` (and ``value <= high`` if ``high`` is given)."""
    if not value >= low or (high is not None and not value <= high):
        valid = f"{low} or more" if high is None else f"between {low} and {high}"
        raise InputError(f"`{name}` must be {valid}. Received: {name}={value!r}.")


def short_repr(value: object) -> str:
    """Return ``repr(value)``, truncated to 60 characters.

    Example:
        >>> short_repr("a" * 100)
        "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…"
    """
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


_FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
# NumPy fails with an error without a number only for files larger than this.
_LITTLE_SPACE = 1 << 16


def is_disk_full(error: BaseException, folder: Path | str | None = None) -> bool:
    """Return whether an error was raised because a disk is full.

    Args:
        error: any exception. TensorFlow and h5py have errors of their own, with the system's
            message in it.
        folder: folder of the file that was written. If given, an OSError without a number counts,
            too, if there is almost no space. NumPy raises such an error.

    Example:
        >>> is_disk_full(RuntimeError("a.h5; No space left on device")), is_disk_full(OSError("no"))
        (True, False)
    """
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _FULL_DISK
    if any(os.strerror(number) in str(error) for number in _FULL_DISK):
        return True
    return (
        isinstance(error, OSError)
        and folder is not None
        and shutil.disk_usage(folder).free < _LITTLE_SPACE
    )


_ADVICE_BY_ERRNO = {
    errno.EEXIST: "a file is where a folder has to be; choose another place, or move it away",
    errno.ENOTDIR: "a file is where a folder has to be; choose another place, or move it away",
    errno.EISDIR: "a folder is where a file has to be; choose another name, or move it away",
    errno.ENOENT: "check the path",
    errno.EACCES: "choose another place, or change who may use it",
    errno.EPERM: "choose another place, or change who may use it",
    errno.EROFS: "choose another place",
    errno.ENOSPC: "make room, then give the same command again",
    errno.EDQUOT: "make room, then give the same command again",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EMFILE: "allow more open files: ulimit -n",
}
# Prefix that serkit.files gives to the name of a file while writing it.
_PARTIAL_PREFIX = re.compile(r"\.partial-[^/]*?-\d+-(?=[^/]*$)")


def describe_os_error(error: OSError) -> str:
    """Describe an OSError in one line: the path, the system's message, and advice if known.

    Example:
        >>> describe_os_error(OSError(28, "No space left on device", "runs"))
        'runs: no space left on device; make room, then give the same command again'
    """
    if error.errno is None:
        return str(error)
    paths = [str(path) for path in (error.filename, error.filename2) if path is not None]
    final_paths = " to ".join(_PARTIAL_PREFIX.sub("", path) for path in paths)
    line = (error.strerror or str(error)).lower()
    if final_paths:
        line = f"{final_paths}: {line}"
    if error.errno in _ADVICE_BY_ERRNO:
        line = f"{line}; {_ADVICE_BY_ERRNO[error.errno]}"
    return line
