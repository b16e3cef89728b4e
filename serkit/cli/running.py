"""Show errors and warnings of a command or experiment as single lines.

Import this module before TensorFlow, whose environment variables it sets. It turns off the log
messages of TensorFlow's C++ code, among which a user could overlook serkit's messages; and it turns
on oneDNN, with which convolutions are faster.
"""

import argparse
import contextlib
import errno
import importlib.machinery
import importlib.util
import logging
import os
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from serkit.errors import InputError, SerkitError, describe_os_error, is_disk_full
from serkit.formatting import printable

# TensorFlow reads these variables once, when it is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

# The name of a Python argument in a message: in backquotes; or before "=", with or without a word
# in quotes after it; or with an underscore.
_ARGUMENT = re.compile(
    r"`(?P<backquoted>\w+)`|(?<![\w.`/-])(?:(?P<assigned>[a-z]\w*)=(?:'(?P<value>[\w.-]+)')?"
    r"|(?P<underscored>[a-z]+_\w+)(?![\w=.`/]))"
)
# Settings whose option has another name: argparse destination of the option by name of the setting.
# Used only if the command has no option with the name of the setting.
_DESTINATION_BY_SETTING = {
    "classifiers": "classifier",
    "label_set": "labels",
    "pretraining": "pretraining_steps",
    "steps": "gan_steps",
    "width": "gan_width",
}
# Number of an error of the operating system; the text of the error follows.
_ERROR_NUMBER = re.compile(r"\[Errno -?\d+\] ")
_WARNINGS_FOR_PROGRAMMERS = (
    DeprecationWarning,
    PendingDeprecationWarning,
    ImportWarning,
    ResourceWarning,
)


# TensorFlow imports Keras, and Keras imports these packages if they are installed, for parts that
# serkit does not use. That takes nearly half of the time of TensorFlow's import.
_OPTIONAL_FOR_KERAS = ("matplotlib", "pandas", "sklearn")


class _TensorFlowFinder:
    """Import TensorFlow with the standard error stream turned off, and without optional packages.

    TensorFlow 2.21 prints lines about missing GPU drivers whatever ``TF_CPP_MIN_LOG_LEVEL`` is.
    Errors of the import are exceptions, and are not lost.
    """

    @classmethod
    def install(cls) -> None:
        """Take part in the first import of TensorFlow, if it is still to come."""
        if "tensorflow" not in sys.modules:
            sys.meta_path.insert(0, cls())

    def find_spec(self, fullname: str, *_: Any) -> importlib.machinery.ModuleSpec | None:
        if fullname != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_quietly(module: ModuleType) -> None:
                with stderr_off(), _hidden(_OPTIONAL_FOR_KERAS):
                    execute(module)

            spec.loader.exec_module = execute_quietly
        return spec


@contextlib.contextmanager
def _hidden(packages: Iterable[str]) -> Iterator[None]:
    """Let imports of these packages fail, unless they are imported already."""
    names = [name for name in packages if name not in sys.modules]
    # With None in place of a module, Python raises ModuleNotFoundError.
    modules: dict[str, Any] = sys.modules
    modules.update(dict.fromkeys(names))
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]


@contextlib.contextmanager
def stderr_off() -> Iterator[None]:
    """Discard what native libraries, and Python, write to standard error in the block."""
    try:
        stderr = os.dup(2)
    except OSError:
        # The parent process started this one with the stream closed.
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def prepare() -> None:
    """Make the standard streams accept any character, and turn off TensorFlow's Python warnings."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            # The parent process started this one with the stream closed.
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - open until the process ends
        # Print a question mark for a character that the terminal's encoding lacks.
        if hasattr(getattr(sys, name), "reconfigure"):
            getattr(sys, name).reconfigure(errors="replace")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


def run(options: argparse.Namespace) -> int:
    """Run a command; print an error as one line and return its exit status.

    Args:
        options: parsed options, with ``command``, ``run``, ``verbose``, and ``spelled``; for the
            last see :func:`as_options`.

    Returns:
        The status of the command, or 1 for bad files and errors of the operating system, 2 for bad
        arguments.
    """
    name = f"serkit {options.command}"
    if options.verbose:
        # No command has imported TensorFlow yet.
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "0"
        logging.getLogger("tensorflow").setLevel(logging.INFO)
    else:
        _TensorFlowFinder.install()
    return _run_and_report(lambda: options.run(options), name, options.spelled, options.verbose)


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
    spelled = {dest: f"--{dest.replace('_', '-')}" for dest in vars(options) if dest != "roots"}

    def check_and_run() -> int:
        # Check the recordings before the experiment creates its folder of results.
        require_roots_exist(options.roots)
        main(options)
        return 0

    prepare()
    _TensorFlowFinder.install()
    try:
        status = _run_and_report(check_and_run, name, spelled)
    except KeyboardInterrupt:
        _print_error(f"\n{name}: interrupted")
        status = 130
    sys.exit(status)


def _run_and_report(
    function: Callable[[], int], name: str, spelled: Mapping[str, str], verbose: bool = False
) -> int:
    """Return the status of the function; print its errors and warnings as single lines.

    If ``verbose``, print tracebacks before errors.
    """
    default_showwarning = warnings.showwarning

    def print_warning(message: Warning | str, category: type[Warning], *location: Any) -> None:
        if issubclass(category, _WARNINGS_FOR_PROGRAMMERS):
            # Python hides these warnings unless the user enables them. Then show them as it does.
            return default_showwarning(message, category, *location)
        line = " ".join(as_options(str(message), spelled).split())
        _print_error(f"! {printable(line)}")

    def print_message(message: object) -> None:
        if verbose:
            _print_error(traceback.format_exc())
        _print_error(f"{name}: {printable(as_options(str(message), spelled))}")

    try:
        with warnings.catch_warnings():
            warnings.showwarning = print_warning
            return function()
    except SerkitError as error:
        print_message(error)
        return 2 if isinstance(error, InputError) else 1
    except BrokenPipeError:
        # The program that reads the output, such as head, has ended. Send the rest of the output to
        # the null device; otherwise Python would print an error when it flushes the stream at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        # The user can correct these errors, such as a full disk or a folder without permission.
        print_message(describe_os_error(error))
        return 1
    except Exception as error:
        # TensorFlow has its own errors for a full disk.
        if not is_disk_full(error):
            raise
        print_message(describe_os_error(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))))
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

    def option(match: re.Match) -> str:
        name = match["backquoted"] or match["assigned"] or match["underscored"]
        if name not in spelled:
            name = _DESTINATION_BY_SETTING.get(name, "")
        if name not in spelled:
            return match[0]
        if match["backquoted"]:
            return f"`{spelled[name]}`"
        if match["assigned"]:
            return f"{spelled[name]} {match['value'] or ''}"
        return spelled[name]

    return _ARGUMENT.sub(option, _ERROR_NUMBER.sub("", message))


def _print_error(line: str) -> None:
    """Print a line to standard error, after what was printed to standard output so far."""
    # If the program that reads standard output has ended, nothing can be flushed.
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
    print(line, file=sys.stderr, flush=True)
