"""``serkit download``: download corpora from their authors' servers."""

import argparse
import sys
from pathlib import Path

from serkit.cli.output import add_output, progress_of
from serkit.errors import InputError


def add_to(commands) -> None:
    parser = commands.add_parser(
        "download",
        help="download RAVDESS, TESS or CREMA-D from their authors' servers",
        description="Shows licence and citation, asks, and downloads with checksums. After an "
        "interruption the same command resumes it. SAVEE is provided by its owners on request.",
    )
    add = parser.add_argument
    add("corpus", metavar="CORPUS", help="download ravdess, tess or crema-d")
    add(
        "--out",
        type=Path,
        default=Path("data"),
        metavar="DIR",
        help="download to here; default: %(default)s",
    )
    add("--yes", action="store_true", help="accept the licence without a question")
    add_output(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Show licence and citation, ask the user to accept the licence, and download."""
    from serkit.datasets.download import download, find_source

    source = find_source(options.corpus)
    progress = progress_of(options)
    progress.say(
        f"{source.title}: {source.recordings} recordings, about {source.size / 1e6:.0f} MB\n"
        f"licence: {source.licence}\ncite: {source.citation}\npage: {source.homepage}"
    )
    if not options.yes:
        _ask_for_consent(options.corpus)
    folder = download(source, options.out, track=progress.progress_bar("downloading"))
    progress.say(f"{source.recordings} recordings are in {folder}; next: serkit audit {folder}")
    return 0


def _ask_for_consent(corpus: str) -> None:
    if not sys.stdin.isatty():
        raise InputError(f"nobody is there to accept the licence of {corpus}; --yes accepts it")
    if input("Do you accept the licence? [y/N] ").strip().lower() not in ("y", "yes"):
        raise InputError(f"the licence of {corpus} was not accepted; nothing was downloaded")
