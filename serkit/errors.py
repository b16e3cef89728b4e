"""Errors that a user can correct; the command line prints them as one line."""

import errno
import re
from collections.abc import Collection


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
