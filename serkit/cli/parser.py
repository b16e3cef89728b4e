"""The argument parser of all commands, with suggestions for misspelled options."""

import argparse
import difflib
import re
import sys
from collections.abc import Collection, Sequence
from typing import Any, NoReturn

import serkit

_CHOICE = re.compile(r"invalid choice: '?(?P<given>[^']*?)'? \(choose from (?P<valid>.*)\)")


class Parser(argparse.ArgumentParser):
    """As argparse's, but what a command does not know is its own error, with what was meant."""

    def parse_known_args(
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """As argparse's, and exit with status 2 where something is left over.

        ``spelled`` of what is found has the command's options by the names of their values.
        """
        self._given = list(sys.argv[1:] if args is None else args)
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        if not hasattr(found, "spelled"):
            # A command's, which parses before the parser that it is a command of is done.
            options = [action for action in self._actions if action.option_strings]
            found.spelled = {action.dest: action.option_strings[-1] for action in options}
        return found, unknown

    def error(self, message: str) -> NoReturn:
        """Print the usage and the message to standard error, and exit with status 2."""
        super().error(message + suggestion(message, self._given, self._option_string_actions))


def suggestion(message: str, given: Sequence[str], options: Collection[str]) -> str:
    """What was probably meant, to be put behind argparse's message; empty if nothing is near.

    Args:
        message: as argparse words it.
        given: the command's arguments.
        options: of the command, such as ``--out``.

    Example:
        >>> suggestion("unrecognized arguments: --ot", ["--ot", "X"], ["--out", "--seed"])
        '; for --ot, did you mean --out?'
    """
    if found := _CHOICE.search(message):
        return _nearest(found["given"], re.findall(r"[^\s',]+", found["valid"]))
    # A required option is missing where its name was misspelt.
    for name in (word.partition("=")[0] for word in given if word.startswith("--")):
        if name != "--" and not any(option.startswith(name) for option in options):
            return _nearest(name, options)
    return ""


def _nearest(given: str, valid: Collection[str]) -> str:
    near = difflib.get_close_matches(given, valid, n=1)
    return f"; for {given}, did you mean {near[0]}?" if near else ""


def build_parser() -> Parser:
    """The parser of ``serkit`` with its commands; what it gives has the command's ``run``."""
    from serkit.cli import (
        audit,
        compare,
        demo,
        download,
        export,
        generate,
        listen,
        predict,
        serve,
        spectrogram,
        tune,
    )

    parser = Parser(
        prog="serkit", description="Speech emotion recognition when some classes are rare."
    )
    parser.add_argument("--version", action="version", version=f"serkit {serkit.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    known = (audit, compare, demo, download, export, generate, listen, predict, serve, spectrogram)
    for command in (*known, tune):
        command.add_to(commands)
    return parser
