"""The argument parser of all commands, with suggestions for misspelled options."""

import argparse
import difflib
import importlib
import re
import sys
from collections.abc import Collection, Sequence
from typing import Any, NoReturn

import serkit

_CHOICE = re.compile(r"invalid choice: '?(?P<given>[^']*?)'? \(choose from (?P<valid>.*)\)")


COMMANDS = (
    *("audit", "compare", "demo", "download", "export", "generate", "listen", "predict", "serve"),
    *("spectrogram", "tune"),
)
"""The commands, each a module of this package with a function ``add_to``."""


class Parser(argparse.ArgumentParser):
    """``ArgumentParser`` whose commands report their own unknown arguments, with a suggestion."""

    def parse_known_args(
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Parse as argparse does, but exit with status 2 if there are unknown arguments.

        The returned namespace has an attribute ``spelled``: the command's option strings, by the
        names of their destinations.
        """
        self._given = list(sys.argv[1:] if args is None else args)
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        if not hasattr(found, "spelled"):
            # The command's parser returns first, so this is not set by the main parser.
            options = [action for action in self._actions if action.option_strings]
            found.spelled = {action.dest: action.option_strings[-1] for action in options}
        return found, unknown

    def error(self, message: str) -> NoReturn:
        """Print the usage and the message to standard error, and exit with status 2."""
        super().error(message + suggestion(message, self._given, self._option_string_actions))


def suggestion(message: str, given: Sequence[str], options: Collection[str]) -> str:
    """Return a suggestion to append to argparse's message; empty if no valid word is similar.

    Args:
        message: error message of argparse.
        given: arguments of the command.
        options: option strings of the command, such as ``--out``.

    Example:
        >>> suggestion("unrecognized arguments: --ot", ["--ot", "X"], ["--out", "--seed"])
        '; for --ot, did you mean --out?'
    """
    if found := _CHOICE.search(message):
        return _nearest(found["given"], re.findall(r"[^\s',]+", found["valid"]))
    # A misspelled option also causes the message that a required option is missing.
    for name in (word.partition("=")[0] for word in given if word.startswith("--")):
        if name != "--" and not any(option.startswith(name) for option in options):
            return _nearest(name, options)
    return ""


def _nearest(given: str, valid: Collection[str]) -> str:
    near = difflib.get_close_matches(given, valid, n=1)
    return f"; for {given}, did you mean {near[0]}?" if near else ""


def build_parser() -> Parser:
    """Return the parser of ``serkit``; it sets ``run`` to the function of the chosen command."""
    parser = Parser(
        prog="serkit", description="Speech emotion recognition when some classes are rare."
    )
    parser.add_argument("--version", action="version", version=f"serkit {serkit.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        importlib.import_module(f"serkit.cli.{name}").add_to(commands)
    return parser
