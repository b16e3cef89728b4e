"""Recordings on the command line: the same arguments for every command and experiment."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from serkit.errors import InputError

if TYPE_CHECKING:
    from serkit.corpora.naming import Naming

NAMING = ("pattern", "label_names", "genders")
"""Destinations of the options that say how recordings of the user's own are named."""


def add_recordings(
    parser: argparse.ArgumentParser,
    nargs: str = "+",
    default: str = "",
    aliases: Sequence[str] = (),
) -> None:
    """Add ``ROOT…``, ``--pattern``, ``--label-names`` and ``--genders``.

    Args:
        parser: of a command or an experiment; :func:`recordings_of` and :func:`naming_of` read
            what it parsed.
        nargs: ``+``, or ``*`` where the command has recordings of its own.
        default: what is used where none is given, for the help text.
        aliases: other names of ``--label-names``.
    """
    parser.add_argument(
        "roots",
        nargs=nargs,
        type=Path,
        metavar="ROOT",
        help="folder, NAME=FOLDER (ravdess=…, mine=…), CSV (path,label,speaker), or the "
        "manifest.csv of an audit" + (f"; default: {default}" if default else ""),
    )
    parser.add_argument(
        "--pattern",
        default="",
        metavar="REGEX",
        help="read labels from paths below ROOT by this; named groups: label, and where known "
        "speaker, gender, sentence, intensity, repetition; for example "
        r"'(?P<speaker>\d\d)(?P<sentence>[ab]\d\d)(?P<label>[A-Z])' for EMO-DB",
    )
    for names, example in (
        (("--label-names", *aliases), "W=angry,L=bored"),
        (("--genders",), "03=male,08=female"),
    ):
        parser.add_argument(
            *names, action="append", default=[], metavar="A=B,…", help=f"such as {example}"
        )


def recordings_of(options: argparse.Namespace) -> tuple[str, ...]:
    """The recordings that were given, by absolute paths.

    Raises:
        InputError: if one of them does not exist.
    """
    from serkit.corpora.roots import require_there

    require_there(options.roots)
    return tuple(map(_absolute, options.roots))


def name_of(root: str) -> str:
    """A short name of what :func:`recordings_of` returned, for a folder of results."""
    from serkit.corpora.opening import is_manifest
    from serkit.corpora.roots import split_root

    name, path = split_root(root)
    # All manifests are called so; the audit's folder tells them apart.
    return name or (path.parent.name if is_manifest(path) else path.name)


def naming_of(options: argparse.Namespace) -> "Naming":
    """How they are named.

    Raises:
        InputError: for a pattern or a pair that is not valid.
    """
    from serkit.corpora.naming import Naming

    return Naming(
        options.pattern,
        _pairs("label-names", options.label_names),
        _pairs("genders", options.genders),
    )


def _absolute(given: Path) -> str:
    from serkit.corpora.roots import split_root

    name, path = split_root(given)
    return f"{name}={path.resolve()}" if name else str(path.resolve())


def _pairs(option: str, given: Sequence[str]) -> dict[str, str]:
    pairs = [pair for each in given for pair in each.split(",") if pair]
    wrong = [pair for pair in pairs if not all(pair.partition("=")[::2])]
    if wrong:
        raise InputError(f"--{option} {wrong[0]!r} is not of the form A=B")
    return dict(pair.split("=", 1) for pair in pairs)
