"""Show errors and warnings of a command or experiment as single lines.

Importing this before TensorFlow keeps its lines of C++ off the screen, where they would bury ours.
"""

import argparse
import contextlib
import logging
import os
import re
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from serkit.errors import InputError, SerkitError, describe_os_error

# TensorFlow reads it once, when it is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

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
    """Have streams that take any letter, and TensorFlow's Python keep its remarks."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            # Closed by whoever started it.
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - as long as the process
        # A terminal that lacks a letter gets a question mark for it.
        if hasattr(getattr(sys, name), "reconfigure"):
            getattr(sys, name).reconfigure(errors="replace")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


def run(options: argparse.Namespace) -> int:
    """Run the command that was asked for; errors become one line and a status.

    Args:
        options: of the parser, with ``command`` and its ``run``.

    Returns:
        0, or 1 for bad files and what the system refuses, 2 for bad arguments.
    """
    name = f"serkit {options.command}"
    return _status_of(lambda: options.run(options), name, options.spelled)


def run_experiment(
    main: Callable[[argparse.Namespace], None], options: argparse.Namespace
) -> NoReturn:
    """Do what a script of ``experiments/`` does, and exit as ``serkit`` would.

    Args:
        main: does it.
        options: that it gets, with ``roots``; all others are called what their values are called.

    Raises:
        SystemExit: with the status, see :func:`run`; 130 after Ctrl-C.
    """
    from serkit.datasets.roots import require_there

    name = Path(sys.argv[0]).name
    spelled = {each: f"--{each.replace('_', '-')}" for each in vars(options) if each != "roots"}

    def work() -> int:
        # Before a folder of results is made.
        require_there(options.roots)
        main(options)
        return 0

    prepare()
    try:
        status = _status_of(work, name, spelled)
    except KeyboardInterrupt:
        _tell(f"\n{name}: interrupted")
        status = 130
    sys.exit(status)


def _status_of(work: Callable[[], int], name: str, spelled: Mapping[str, str]) -> int:
    before = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *place: Any) -> None:
        if issubclass(category, _FOR_PROGRAMMERS):
            # Python shows them to those alone who ask for them.
            return before(message, category, *place)
        line = " ".join(as_options(str(message), spelled).split())
        _tell(f"! {line}")

    def say(what: object) -> None:
        _tell(f"{name}: {as_options(str(what), spelled)}")

    try:
        with warnings.catch_warnings():
            warnings.showwarning = show
            return work()
    except SerkitError as error:
        say(error)
        return 2 if isinstance(error, InputError) else 1
    except BrokenPipeError:
        # Whoever read the output has enough, as head has. Python would complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        # A full disk, a folder that may not be written to: for the user to mend, all of them.
        say(describe_os_error(error))
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


def _tell(line: str) -> None:
    # Where both go to one file, in the order in which it happened; of nobody who reads, no more.
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
    print(line, file=sys.stderr, flush=True)
