"""Options ``--quiet``, ``--json`` and ``--dry-run``: what a command prints."""

import argparse
import json
from typing import TYPE_CHECKING, Any

from serkit.errors import InputError
from serkit.formatting import printable

if TYPE_CHECKING:
    from serkit.progress import Progress


def add_output(parser: argparse.ArgumentParser, *, has_json: bool = False) -> None:
    """Add ``--quiet``, and ``--json`` to a command whose results programs read."""
    add = parser.add_argument
    add("-q", "--quiet", action="store_true", help="print errors only; default: no")
    if has_json:
        add(
            "--json",
            action="store_true",
            help="print the results as JSON, and nothing else; default: no",
        )


def add_dry_run(parser: argparse.ArgumentParser) -> None:
    """Add ``--dry-run``."""
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="measure a few training steps, print what will be trained, how long and how much disk "
        "that takes, and train nothing; default: no",
    )


def progress_of(options: argparse.Namespace) -> "Progress":
    """Return the progress to report to; it prints nothing with ``--quiet`` or ``--json``.

    Raises:
        InputError: if ``--dry-run`` is given with one of them.
    """
    from serkit.progress import Progress, SilentProgress

    is_silent = options.quiet or getattr(options, "json", False)
    if is_silent and getattr(options, "dry_run", False):
        raise InputError("--dry-run prints a table, and takes neither --quiet nor --json")
    return SilentProgress() if is_silent else Progress()


def print_json(results: Any, indent: int | None = 2) -> None:
    """Print results as JSON; with an ``indent`` of None, in one line."""
    text = json.dumps(results, indent=indent, ensure_ascii=False)
    # JSON's own escapes for what could control a terminal.
    escaped = (c if c == "\n" or printable(c) == c else json.dumps(c)[1:-1] for c in text)
    print("".join(escaped), flush=True)
