"""Where recordings lie, and who reads their names: RAVDESS, TESS, SAVEE, CREMA-D or the user."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from serkit.corpora import cremad, ravdess, savee, tess
from serkit.corpora.corpus import Clip
from serkit.corpora.findings import Finding
from serkit.corpora.naming import Naming, UnknownName
from serkit.corpora.table import read_table
from serkit.errors import InputError

AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".mp3", ".ogg", ".aif", ".aiff", ".m4a"})
GRAMMARS = {grammar.NAME: grammar for grammar in (ravdess, tess, savee, cremad)}
_NAMED = re.compile(r"([A-Za-z][\w.-]*)=(.+)")


@dataclass(frozen=True)
class Root:
    """A folder of recordings.

    Attributes:
        name: unique among the roots of one audit.
        folder: where it is on this machine.
        files: POSIX paths of the recordings relative to it, in a fixed order.
        read: reads a clip off one of these paths; raises InputError if it cannot.
        rejected: what was listed as a recording and is none.
    """

    name: str
    folder: Path
    files: Sequence[str]
    read: Callable[[str], Clip]
    rejected: tuple[Finding, ...] = ()


def open_roots(roots: Sequence[Path | str], naming: Naming) -> list[Root]:
    """Look at every root and decide how its names are read.

    Args:
        roots: folders, which are searched at any depth (links to folders are not followed), or CSV
            files. ``ravdess=FOLDER`` (``tess``, ``savee``, ``crema-d``) is read as that corpus
            alone; ``NAME=FOLDER`` with another name, as a corpus of the user's of that name. A
            plain folder is read as the four corpora where one file name in it is theirs, by the
            pattern if there is one, else as a folder per label.
        naming: for what is not of the four corpora.

    Raises:
        InputError: if a root does not exist or is neither a folder nor a CSV.
    """
    opened: dict[str, Root] = {}
    for given in roots:
        corpus, path = _split(given)
        base = corpus or (path.resolve().stem if path.is_file() else path.resolve().name) or "root"
        name, number = base, 2
        while name in opened:
            name, number = f"{base}-{number}", number + 1
        opened[name] = _open(name, corpus, path, naming)
    return list(opened.values())


def _split(given: Path | str) -> tuple[str, Path]:
    match = _NAMED.fullmatch(str(given))
    # A folder may have such a name; what exists is meant.
    if match is None or os.path.exists(given):
        return "", Path(given)
    return match[1], Path(match[2])


def _open(name: str, corpus: str, path: Path, naming: Naming) -> Root:
    if not path.exists():
        raise InputError(f"{path} does not exist")
    if path.is_file():
        if path.suffix.lower() != ".csv":
            raise InputError(f"{path} is a file; a folder with recordings or a CSV is expected")
        table = read_table(path, name)
        read = partial(table.read, corpus=corpus or name, naming=naming)
        return Root(name, path.parent, list(table.rows), read, table.rejected)
    files = list(_find(path))
    folder = path.absolute()
    if corpus.lower() in GRAMMARS:
        read = partial(_read_one, folder=folder, corpus=corpus.lower())
    elif not corpus and not naming.pattern and any(_is_known(folder / file) for file in files):
        read = partial(_read_any, folder=folder)
    elif naming.pattern:
        read = partial(naming.by_pattern, corpus=corpus or name)
    elif any(naming.emotion(part) for file in files for part in file.split("/")[-3:-1]):
        read = partial(naming.by_folder, corpus=corpus or name)
    else:
        read = partial(_read_any, folder=folder)
    return Root(name, path, files, read)


def _find(root: Path) -> Iterator[str]:
    for folder, subfolders, names in os.walk(root):
        subfolders.sort()
        below = Path(folder).relative_to(root).as_posix()
        prefix = "" if below == "." else f"{below}/"
        for name in sorted(names):
            # Names that start with a dot are other programs' notes about a file, not sound.
            if os.path.splitext(name)[1].lower() in AUDIO_SUFFIXES and not name.startswith("."):
                yield prefix + name


def _is_known(path: Path) -> bool:
    try:
        return any(grammar.parse(path) for grammar in GRAMMARS.values())
    except InputError:
        return True


def _read_any(file: str, folder: Path) -> Clip:
    for grammar in GRAMMARS.values():
        clip = grammar.parse(folder / file)
        if clip is not None:
            return clip
    raise UnknownName(
        "name is not one of RAVDESS, TESS, SAVEE or CREMA-D; recordings of your own are read by "
        "a folder per label, a CSV or --pattern"
    )


def _read_one(file: str, folder: Path, corpus: str) -> Clip:
    clip = GRAMMARS[corpus].parse(folder / file)
    if clip is None:
        raise UnknownName(f"name is not one of {corpus}'s")
    return clip
