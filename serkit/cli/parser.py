"""The argument parser of all commands, with suggestions for misspelled options."""

import argparse
import importlib
import re
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import serkit
from serkit.cli.config import apply_config, command_line, given_options
from serkit.errors import SerkitError

_INVALID_CHOICE = re.compile(r"invalid choice: '?(?P<word>[^']*?)'? \(choose from (?P<valid>.*)\)")


COMMANDS = (
    *(
        "audit",
        "compare",
        "demo",
        "doctor",
        "download",
        "evaluate",
        "export",
        "generate",
        "listen",
        "predict",
        "runs",
        "serve",
    ),
    *("spectrogram", "train", "tune"),
)
"""The commands, each a module of this package with a function ``add_to``."""

RESUMABLE_COMMANDS = ("compare", "demo", "download", "spectrogram", "train", "tune")
"""Commands that go on where an interrupted call of the same command stopped."""


RENAMED_OPTIONS = {
    "audit": {"--labels": "--label-names"},
    "compare": {"--gated": "--sample-filter", "--share": "--storage"},
    "demo": {"--models": "--export", "--split": "--protocol"},
    "download": {"--to": "--out"},
    "generate": {"--share": "--filled-to", "--ungated": "--no-sample-filter"},
    "predict": {"--share": "--storage"},
    "spectrogram": {"--pictures": "--out"},
    "train": {"--model": "--classifier"},
    "tune": {"--label": "--class", "--share": "--storage", "--width": "--gan-width"},
}
"""The present name of each option that had another one before version 0.2, by command."""


class Parser(argparse.ArgumentParser):
    """``ArgumentParser`` whose commands report their own unknown arguments, with a suggestion.

    The values of an option that takes several are separated by spaces or commas.
    """

    def parse_known_args(
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Parse as argparse does, but exit with status 2 if there are unknown arguments.

        The returned namespace has the attributes ``spelled``, the command's option strings by the
        names of their destinations, and ``given`` and ``line``, see
        :func:`serkit.cli.config.given_options` and :func:`serkit.cli.config.command_line`.
        """
        self._arguments = list(sys.argv[1:] if args is None else args)
        defaults = {action.dest: action.default for action in self._actions}
        if path := self._config():
            try:
                apply_config(path, self.prog.rpartition(" ")[2], self._actions)
            except (SerkitError, OSError) as error:
                self.error(str(error))
        options, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        # The main parser calls the command's parser, which sets this first.
        if not hasattr(options, "spelled"):
            options.spelled = {
                action.dest: action.option_strings[-1]
                for action in self._actions
                if action.option_strings
            }
            options.given = given_options(options, self._actions, defaults)
            options.line = command_line(self.prog, options, self._actions, defaults)
        return options, unknown

    def _config(self) -> Path | None:
        """Return the value of ``--config`` in the arguments of a command that has it."""
        if "--config" not in self._option_string_actions:
            return None
        finder = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        finder.add_argument("--config", type=Path, nargs="?")
        return finder.parse_known_args(self._arguments)[0].config

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        if action.option_strings and action.nargs in ("*", "+") and action.type is not Path:
            arg_strings = [word for text in arg_strings for word in text.split(",") if word]
        return super()._get_values(action, arg_strings)

    def error(self, message: str) -> NoReturn:
        """Print the usage and the message to standard error, and exit with status 2."""
        renamed = RENAMED_OPTIONS.get(self.prog.rpartition(" ")[2], {})
        options = self._option_string_actions
        super().error(message + suggestion(message, self._arguments, options, renamed))


def suggestion(
    message: str,
    arguments: Sequence[str],
    options: Collection[str],
    renamed: Mapping[str, str],
) -> str:
    """Return a suggestion to append to argparse's message; empty if no valid word is similar.

    Args:
        message: error message of argparse.
        arguments: arguments of the command.
        options: option strings of the command, such as ``--out``.
        renamed: present name of each earlier option.

    Example:
        >>> suggestion("unrecognized arguments: --ot", ["--ot", "X"], ["--out", "--seed"], {})
        '; for --ot, did you mean --out?'
    """
    if match := _INVALID_CHOICE.search(message):
        return _did_you_mean(match["word"], re.findall(r"[^\s',]+", match["valid"]))
    # A misspelled option also causes the message that a required option is missing.
    for argument in arguments:
        name = argument.partition("=")[0]
        is_option = name.startswith("--") and name != "--"
        # argparse accepts the beginning of an option, too.
        if is_option and name not in options and name in renamed:
            return f"; {name} is now {renamed[name]}"
        if is_option and not any(option.startswith(name) for option in options):
            return _did_you_mean(name, options)
    return ""


def _did_you_mean(word: str, valid_words: Collection[str]) -> str:
    import difflib

    # A lower cutoff suggests --folds for --foo.
    similar_words = difflib.get_close_matches(word, valid_words, n=1, cutoff=0.7)
    return f"; for {word}, did you mean {similar_words[0]}?" if similar_words else ""


def build_parser() -> Parser:
    """Return the parser of ``serkit``; it sets ``run`` to the function of the chosen command."""
    parser = Parser(
        prog="serkit", description="Speech emotion recognition when some classes are rare."
    )
    parser.add_argument("--version", action="version", version=f"serkit {serkit.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        importlib.import_module(f"serkit.cli.{name}").add_to(commands)
        commands.choices[name].add_argument(
            *("-v", "--verbose"),
            action="store_true",
            help="print TensorFlow's log, and where an error was raised; default: no",
        )
    return parser
