"""Options ``--quiet``, ``--json`` and ``--dry-run``: what a command prints."""

import argparse
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from serkit.progress import Progress


def add_output(parser: argparse.ArgumentParser, *, has_json: bool = False) -> None:
    """Add ``--quiet``, and ``--json`` to a command whose results programs read."""
    add = parser.add_argument
    add("-q", "--quiet", action="store_true", help="print errors and warnings only; default: no")
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
        help="print what will be trained, how long and how much disk that takes, and train "
        "nothing; default: no",
    )


def progress_of(options: argparse.Namespace) -> "Progress":
    """Return the progress to report to; it prints nothing with ``--quiet`` or ``--json``."""
    from serkit.progress import Progress, SilentProgress

    is_silent = options.quiet or getattr(options, "json", False)
    return SilentProgress() if is_silent else Progress()


def print_json(results: Any) -> None:
    """Print the results of a command that was called with ``--json``."""
    print(json.dumps(results, indent=2, ensure_ascii=False))
