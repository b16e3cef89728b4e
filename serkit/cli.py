"""The ``serkit`` command: picks the command and turns errors into one line and a status."""

import argparse
import os
import sys
from collections.abc import Sequence

import serkit
from serkit.commands import (
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
from serkit.errors import InputError, SerkitError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, 1 for bad files, 2 for bad arguments."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    # A command that starts others of its kind needs them.
    options = _parser().parse_args(given, argparse.Namespace(given=given))
    for stream in (sys.stdout, sys.stderr):
        # A terminal that lacks a letter gets a question mark for it.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    # TensorFlow's start-up lines would bury ours; set before anything imports it.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        return options.run(options)
    except SerkitError as error:
        print(f"serkit {options.command}: {error}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    except OSError as error:
        # A full disk, a folder that may not be written to: for the user to mend, all of them.
        print(f"serkit {options.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\nserkit {options.command}: interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="serkit", description="Speech emotion recognition when some classes are rare."
    )
    parser.add_argument("--version", action="version", version=f"serkit {serkit.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    known = (audit, compare, demo, download, export, generate, listen, predict, serve, spectrogram)
    for command in (*known, tune):
        command.add_to(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
