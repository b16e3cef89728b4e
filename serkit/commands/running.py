"""A command's surroundings: what of TensorFlow, Python and the system reaches the user, and how."""

import argparse
import contextlib
import logging
import os
import re
import sys
import warnings
from collections.abc import Mapping
from typing import Any

from serkit.errors import InputError, SerkitError, describe_os_error

# A name in backquotes, before "=", with a word in quotes behind it or not, or of several words.
_ARGUMENT = re.compile(
    r"`(?P<quoted>\w+)`|(?<![\w.`/-])(?:(?P<given>[a-z]\w*)=(?:'(?P<value>[\w.-]+)')?"
    r"|(?P<long>[a-z]+_\w+)(?![\w=.`/]))"
)
# Of an error of the system; its words follow.
_NUMBER = re.compile(r"\[Errno -?\d+\] ")
_FOR_PROGRAMMERS = (
    DeprecationWarning,
    PendingDeprecationWarning,
    ImportWarning,
    ResourceWarning,
)


def prepare() -> None:
    """Have streams that take any letter, and TensorFlow keep its remarks. Before any output."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            # Closed by whoever started it.
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - as long as the process
        # A terminal that lacks a letter gets a question mark for it.
        if hasattr(getattr(sys, name), "reconfigure"):
            getattr(sys, name).reconfigure(errors="replace")
    # TensorFlow's start-up lines would bury ours; set before anything imports it.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


def run(options: argparse.Namespace) -> int:
    """Run the command that was asked for; errors become one line and a status.

    Args:
        options: of the parser, with ``command`` and its ``run``.

    Returns:
        0, or 1 for bad files and what the system refuses, 2 for bad arguments.
    """
    before = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *place: Any) -> None:
        if issubclass(category, _FOR_PROGRAMMERS):
            # Python shows them to those alone who ask for them.
            return before(message, category, *place)
        line = " ".join(as_options(str(message), options.spelled).split())
        _tell(f"! {line}")

    try:
        with warnings.catch_warnings():
            warnings.showwarning = show
            return options.run(options)
    except SerkitError as error:
        _say(options, error)
        return 2 if isinstance(error, InputError) else 1
    except BrokenPipeError:
        # Whoever read the output has enough, as head has. Python would complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        # A full disk, a folder that may not be written to: for the user to mend, all of them.
        _say(options, describe_os_error(error))
        return 1


def as_options(message: str, spelled: Mapping[str, str]) -> str:
    """A message about arguments of Python, in terms of the command's options, without numbers of
    the system's errors.

    Args:
        message: as the package words it, such as "weights='none': …".
        spelled: options by the names of their values.

    Example:
        >>> as_options("rare_below=2 is out of range", {"rare_below": "--rare-below"})
        '--rare-below 2 is out of range'
    """

    def option(found: re.Match) -> str:
        name = found["quoted"] or found["given"] or found["long"]
        if name not in spelled:
            return found[0]
        if found["quoted"]:
            return f"`{spelled[name]}`"
        return spelled[name] + (f" {found['value'] or ''}" if found["given"] else "")

    return _ARGUMENT.sub(option, _NUMBER.sub("", message))


def _say(options: argparse.Namespace, what: object) -> None:
    _tell(f"serkit {options.command}: {as_options(str(what), options.spelled)}")


def _tell(line: str) -> None:
    # Where both go to one file, in the order in which it happened; of nobody who reads, no more.
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
    print(line, file=sys.stderr, flush=True)
