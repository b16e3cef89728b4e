"""Errors that a user can mend; the command line prints them as one line, without a traceback."""

from collections.abc import Collection


class SerkitError(Exception):
    """Base of every error that serkit raises on purpose."""


class InputError(SerkitError, ValueError):
    """Something that was given is not valid; the message names it and what is valid."""


class RecordingError(SerkitError):
    """A recording cannot be read or holds no usable sound; the message names the file."""


class LeakError(SerkitError):
    """A validation or test speaker would reach something that is fitted."""


class ResumeError(SerkitError):
    """A run folder was made with other settings than those asked for now."""


class DivergedError(SerkitError):
    """A training's numbers are no longer finite; the message names the step."""


class DownloadError(SerkitError):
    """A download did not succeed; the message names the address and what to do."""


def check_choice(name: str, value: str, valid: Collection[str]) -> None:
    """Raise InputError unless ``value`` is one of ``valid``; ``name`` is the argument's name."""
    if value not in valid:
        raise InputError(f"{name}={value!r} is not known; valid are: {', '.join(sorted(valid))}")


def check_range(name: str, value: float, low: float, high: float | None = None) -> None:
    """Raise InputError unless ``low <= value`` (and ``value <= high`` where one is given)."""
    if not value >= low or (high is not None and not value <= high):
        valid = f"{low} or more" if high is None else f"from {low} to {high}"
        raise InputError(f"{name}={value!r} is out of range; valid is {valid}")
