"""Show errors and warnings of a command or experiment as single lines.

Import this module before TensorFlow: it turns off the log messages of TensorFlow's C++ code, which
would hide those of serkit.
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

# TensorFlow reads this variable once, when it is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# The name of an argument: in backquotes; or before "=", with or without a word in quotes after it;
# or with an underscore.
_ARGUMENT = re.compile(
    r"`(?P<quoted>\w+)`|(?<![\w.`/-])(?:(?P<given>[a-z]\w*)=(?:'(?P<value>[\w.-]+)')?"
    r"|(?P<long>[a-z]+_\w+)(?![\w=.`/]))"
)
# Number of an error of the operating system; its text follows.
_NUMBER = re.compile(r"\[Errno -?\d+\] ")
_FOR_PROGRAMMERS = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)


def prepare() -> None:
    """Make the standard streams accept any character, and turn off TensorFlow's Python warnings."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            # The parent process started this one with the stream closed.
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - as long as the process
        # Print a question mark for a character that the terminal's encoding lacks.
        if hasattr(getattr(sys, name), "reconfigure"):
            getattr(sys, name).reconfigure(errors="replace")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


def run(options: argparse.Namespace) -> int:
    """Run a command; print an error as one line and return its exit status.

    Args:
        options: parsed options, with ``command``, ``run`` and ``spelled``.

    Returns:
        The status of the command, or 1 for bad files and errors of the operating system, 2 for bad
        arguments.
    """
    name = f"serkit {options.command}"
    return _status_of(lambda: options.run(options), name, options.spelled)


def run_experiment(
    main: Callable[[argparse.Namespace], None], options: argparse.Namespace
) -> NoReturn:
    """Run a script of ``experiments/`` and exit with the statuses of ``serkit``.

    Args:
        main: function of the experiment.
        options: options for ``main``, including ``roots``. Each option except the roots must be
            called ``--`` and the name of its destination.

    Raises:
        SystemExit: always, with the status of :func:`run`, or 130 after Ctrl-C.
    """
    from serkit.datasets.roots import require_roots_exist

    name = Path(sys.argv[0]).name
    spelled = {each: f"--{each.replace('_', '-')}" for each in vars(options) if each != "roots"}

    def work() -> int:
        # Before the experiment creates its folder of results.
        require_roots_exist(options.roots)
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
            # Python hides these warnings unless the user enables them.
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
        # The reader of the output, such as head, has ended. Without the redirection Python would
        # print an error when it flushes the stream at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        # The user can correct these errors, such as a full disk or a folder without permission.
        say(describe_os_error(error))
        return 1


def as_options(message: str, spelled: Mapping[str, str]) -> str:
    """Replace the names of Python arguments in a message by the command's options.

    Numbers of errors of the operating system are removed.

    Args:
        message: message of the package, such as "weights='none': …".
        spelled: option strings by the names of their destinations.

    Example:
        >>> as_options("`rare_below` must be 1. Received: rare_below=2.", {"rare_below": "--rare"})
        '`--rare` must be 1. Received: --rare 2.'
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
    # If both streams go to one file, flushing keeps the lines in order. If the reader of standard
    # output has ended, there is nothing to flush.
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
    print(line, file=sys.stderr, flush=True)
