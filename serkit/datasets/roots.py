"""Folders of recordings, and which reader parses their file names."""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from serkit.audio.containers import AUDIO_SUFFIXES, READABLE_SUFFIXES
from serkit.datasets import cremad, ravdess, savee, tess
from serkit.datasets.corpus import Clip
from serkit.datasets.custom import Naming, UnknownName, read_table
from serkit.datasets.duplicates import drop_lossy_copies
from serkit.datasets.findings import Finding
from serkit.errors import InputError

READERS = {reader.NAME: reader for reader in (ravdess, tess, savee, cremad)}
"""Reader modules by the names of their corpora."""

_NAMED_ROOT = re.compile(r"([^/\\=]+)=(.+)")


@dataclass(frozen=True)
class Root:
    """A folder of recordings.

    Attributes:
        name: unique among the roots of one audit.
        folder: path of the folder on this machine.
        files: POSIX paths of the recordings relative to ``folder``, in a fixed order.
        read: parses a clip's labels from one of these paths; raises InputError if it cannot.
        rejected: findings for table rows and files that are not used, and for folders that were
            not searched.
    """

    name: str
    folder: Path
    files: Sequence[str]
    read: Callable[[str], Clip]
    rejected: tuple[Finding, ...] = ()


def open_roots(roots: Sequence[Path | str], naming: Naming) -> list[Root]:
    """Find the recordings of every root and choose a reader for their file names.

    Args:
        roots: folders or CSV files. Folders are searched at any depth; links to folders are not
            followed. ``ravdess=FOLDER`` (or ``tess``, ``savee``, ``crema-d``) is read as that
            corpus only. ``NAME=FOLDER`` with another name is read as a custom corpus of that name.
            A plain folder is read as the four corpora if at least one of its file names is theirs.
            Otherwise it is read by the pattern if there is one, else as one folder per label. If no
            folder in it is called by a label either, all its files are rejected.
        naming: how to read recordings that are not of the four corpora.

    Raises:
        InputError: if a root does not exist, is neither a folder nor a CSV file, or has a path
            that is not UTF-8.
    """
    require_roots_exist(roots)
    opened_roots: dict[str, Root] = {}
    for argument in roots:
        corpus, path = split_root(argument)
        # The folder "/" has an empty name.
        base_name = (
            corpus or (path.resolve().stem if path.is_file() else path.resolve().name) or "root"
        )
        name, number = base_name, 2
        while name in opened_roots:
            name, number = f"{base_name}-{number}", number + 1
        opened_roots[name] = _open_root(name, corpus, path, naming)
    return list(opened_roots.values())


def require_roots_exist(roots: Sequence[Path | str]) -> None:
    """Raise InputError unless each root of :func:`open_roots` is a folder or CSV that exists.

    No file is read.
    """
    for path in (split_root(argument)[1] for argument in roots):
        if not path.exists():
            raise InputError(f"{path} does not exist")
        if path.is_dir() or (path.is_file() and path.suffix.lower() == ".csv"):
            continue
        kind = "another file" if path.is_file() else "a pipe or a device"
        raise InputError(f"A root must be a folder or a CSV. Received: {path}, {kind}.")


def split_root(argument: Path | str) -> tuple[str, Path]:
    """Split ``NAME=FOLDER`` into name and path; the name of a plain path is empty."""
    match = _NAMED_ROOT.fullmatch(str(argument))
    # A folder may itself be named `A=B`. An existing path takes precedence.
    if match is None or os.path.exists(argument):
        return "", Path(argument)
    return match[1], Path(match[2])


def absolute_root(root: Path | str) -> str:
    """Return a root with an absolute path, as ``PATH`` or ``NAME=PATH``."""
    name, path = split_root(root)
    return f"{name}={path.resolve()}" if name else str(path.resolve())


def _open_root(name: str, corpus: str, path: Path, naming: Naming) -> Root:
    try:
        os.path.abspath(path).encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{str(path)!r} is not UTF-8; rename the folder") from error
    if path.is_file():
        fields_by_path, rejected = read_table(path, name)
        # The paths from read_table are relative to the folder with links resolved.
        folder = path.parent.resolve()
        return Root(
            name,
            folder,
            list(fields_by_path),
            lambda file: naming.clip(file, corpus or name, fields_by_path[file]),
            rejected,
        )
    files, rejected = find_recordings(path, name)
    read = _choose_reader(name, corpus, path, files, naming)
    files, copies = drop_lossy_copies(name, files, read)
    return Root(name, path, files, read, (*rejected, *copies))


def _choose_reader(
    name: str, corpus: str, path: Path, files: Sequence[str], naming: Naming
) -> Callable[[str], Clip]:
    # SAVEE's `a01.wav` is in a folder named after the speaker. This may be the root itself, under
    # its given name or, if it is a link, under the name of the link's target.
    folders = [Path(os.path.abspath(path)), path.resolve()]
    if corpus.lower() in READERS:
        return partial(_read_known_name, folders=folders, corpora=[corpus.lower()])
    read_known = partial(_read_known_name, folders=folders, corpora=list(READERS))
    if not corpus and any(_is_known_name(file, read_known) for file in files):
        return read_known
    if naming.pattern:
        return partial(naming.by_pattern, corpus=corpus or name)
    has_labels = any(naming.emotion(part) for file in files for part in file.split("/")[-3:-1])
    if corpus or has_labels:
        return partial(naming.by_folder, corpus=corpus or name)
    # No file can be read. The errors of this reader say which names and folders are valid.
    return read_known


def find_recordings(root: Path, name: str) -> tuple[list[str], tuple[Finding, ...]]:
    """Find the recordings below a folder by their file name suffixes.

    Args:
        root: the folder. It is searched at any depth, except hidden folders and links to folders.
        name: name of the root in findings.

    Returns:
        POSIX paths relative to ``root`` in a fixed order, and findings for the folders that were
        not searched. If ``root`` holds no recordings and no folder was skipped, the only
        finding is about ``root`` itself.
    """
    recordings: list[str] = []
    skipped: list[Finding] = []

    def skip(folder: str | Path, reason: str) -> None:
        relative_folder = Path(folder).relative_to(root).as_posix()
        skipped.append(Finding(name, f"{relative_folder}/", "folder", reason))

    def skip_unreadable(error: OSError) -> None:
        skip(error.filename, f"cannot be searched: {error.strerror}")

    for folder, subfolders, file_names in os.walk(root, onerror=skip_unreadable):
        # Names that start with a dot are other programs' files or serkit's partial files.
        subfolders[:] = sorted(
            subfolder for subfolder in subfolders if not subfolder.startswith(".")
        )
        for subfolder in subfolders:
            if os.path.islink(os.path.join(folder, subfolder)):
                skip(
                    os.path.join(folder, subfolder),
                    "a link to a folder, not followed; give its target",
                )
        relative_folder = Path(folder).relative_to(root).as_posix()
        prefix = "" if relative_folder == "." else f"{relative_folder}/"
        for file in sorted(file_names):
            if os.path.splitext(file)[1].lower() in AUDIO_SUFFIXES and not file.startswith("."):
                recordings.append(prefix + file)
    if not recordings and not skipped:
        skip(root, f"no recordings ({', '.join(sorted(READABLE_SUFFIXES))}) in it")
    return recordings, tuple(skipped)


def _is_known_name(file: str, read: Callable[[str], Clip]) -> bool:
    try:
        read(file)
    except UnknownName:
        return False
    except InputError:
        # The form of the name is known; one of its codes is not valid.
        return True
    return True


def _read_known_name(file: str, folders: Sequence[Path], corpora: Sequence[str]) -> Clip:
    for folder in folders:
        for corpus in corpora:
            clip = READERS[corpus].parse(folder / file)
            if clip is not None:
                return clip
    if os.path.splitext(file)[1].lower() not in READABLE_SUFFIXES:
        suffixes = ", ".join(sorted(READABLE_SUFFIXES))
        raise UnknownName(
            f"its name ends in none of {suffixes}, and serkit reads no other: convert it"
        )
    if len(corpora) == 1:
        raise UnknownName(f"name is not one of {corpora[0]}'s")
    raise UnknownName(
        "name is not one of RAVDESS, TESS, SAVEE or CREMA-D; recordings of your own are read by "
        "a folder per label, a CSV or --pattern"
    )
