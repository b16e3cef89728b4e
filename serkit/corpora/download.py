"""Corpora downloaded from where their authors put them."""

import fcntl
import hashlib
import json
import os
import re
import shutil
import tarfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from serkit.corpora.downloading.fetching import Track, fetch, fetch_all
from serkit.corpora.downloading.remote import Remote
from serkit.corpora.downloading.sources import Source
from serkit.errors import DownloadError, InputError

_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\noid sha256:([0-9a-f]{64})\nsize (\d+)\n"
)
_POINTER_PATH = re.compile(r"[^/]+/AudioWAV/([^/]+\.wav)")
_SEPARATOR = r"[/\\]"
_ALGORITHMS = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-512": "sha512"}


def download(
    source: Source,
    to: Path | str,
    *,
    track: Track = lambda items, total: items,
    pause: Callable[[float], object] = time.sleep,
) -> Path:
    """Download a corpus into ``<to>/<name>`` and return that folder.

    An interrupted call is finished by the next one. A folder with at least as many recordings as
    the corpus has counts as complete and is returned at once, without a request: what this
    function puts there is checked before. Until the end ``<to>/.partial-<name>-download`` holds
    what is in the making. Other files are left as they are, save one at a recording's own path
    with another checksum, which the right one replaces.

    Args:
        source: of :data:`serkit.corpora.downloading.sources.SOURCES`.
        to: the folder that gets the corpus' folder; made if it is not there.
        track: wraps an iteration for a progress bar: over MiB for a zip, over files otherwise;
            gets their number.
        pause: waits for a number of seconds before another attempt.

    Raises:
        DownloadError: if a file cannot be had as it should be, the archive is not what it should
            be, or another process is downloading the same corpus to the same place.
        InputError: if the folder of a corpus that comes as a zip is there and not complete.
    """
    # A link to another disk is followed, so that the corpus is put there and not over the link.
    folder = (Path(to) / source.name).resolve()
    complete = len(_recordings_in(folder)) >= source.recordings
    if complete and not _workshop_path(folder).exists():
        return folder
    with _workshop(folder) as work:
        try:
            if not complete:
                _METHODS[source.kind](source, folder, work, track, pause)
        except DownloadError as error:
            raise DownloadError(f"{error} (by hand: {source.homepage})") from error
    return folder


def _recordings_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if _is_recording(path.name) and path.is_file()]


def _is_recording(name: str) -> bool:
    # As the audit sees it: a name with a dot in front is some program's own.
    return name.lower().endswith(".wav") and not name.startswith(".")


def _workshop_path(folder: Path) -> Path:
    return folder.with_name(f".partial-{folder.name}-download")


@contextmanager
def _workshop(folder: Path) -> Iterator[Path]:
    """A folder beside ``folder`` for one process at a time; removed at the end unless needed."""
    work = _workshop_path(folder)
    work.mkdir(parents=True, exist_ok=True)
    lock = work / ".lock"
    with open(lock, "w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DownloadError(
                f"another process is downloading to {folder}; wait for it or end it"
            ) from error
        try:
            yield work
            shutil.rmtree(work)
        except BaseException:
            # A zip that has come in part is gone on with; with nothing in it, away with it.
            lock.unlink(missing_ok=True)
            with suppress(OSError):
                work.rmdir()
            raise


def _get_zip(source: Source, folder: Path, work: Path, track: Track, pause: Callable) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(
            f"{folder} is there and does not hold the {source.recordings} recordings; it is left "
            "as it is: move it away or choose another folder"
        )
    archive = Remote(source.address, work / "archive.zip", source.checksum, source.size)
    fetch(archive, pause=pause, track=track)
    unpacked = work / "unpacked"
    if unpacked.exists():
        shutil.rmtree(unpacked)
    try:
        with zipfile.ZipFile(archive.path) as opened:
            for name in opened.namelist():
                if name.startswith("/") or ".." in re.split(_SEPARATOR, name):
                    raise DownloadError(f"{source.address} is refused: it would write to {name!r}")
            opened.extractall(unpacked)
    except zipfile.BadZipFile as error:
        raise DownloadError(f"{source.address} is no sound zip file: {error}") from error
    _check_count(source, len(_recordings_in(unpacked)))
    # Not over anything: renaming a folder fails unless there is none or an empty one.
    os.rename(unpacked, folder)


def _get_dataverse(source: Source, folder: Path, work: Path, track: Track, pause: Callable) -> None:
    listing = fetch(Remote(source.address, work / "listing.json", None), pause=pause)
    try:
        entries = json.loads(listing.read_bytes())["data"]["latestVersion"]["files"]
        names = [entry["dataFile"]["filename"] for entry in entries]
        remotes = [
            _listed(entry, source, folder)
            for entry, name in zip(entries, names, strict=True)
            if _is_recording(re.split(_SEPARATOR, name)[-1])
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DownloadError(
            f"{source.address} is not the list that was expected ({error!r}); "
            "is there a newer serkit?"
        ) from error
    for path, times in Counter(remote.path for remote in remotes).items():
        if times > 1:
            raise DownloadError(f"{source.address} is refused: it lists {path.name} {times} times")
    fetch_all(remotes, pause=pause, track=track)
    _check_count(source, len(remotes))


def _listed(entry: dict, source: Source, folder: Path) -> Remote:
    file = entry["dataFile"]
    parts = [*filter(None, (entry.get("directoryLabel") or "").split("/")), file["filename"]]
    for part in parts:
        if part in (".", "..") or set(part) & set("/\\\0"):
            raise DownloadError(f"{source.address} is refused: it names a file {parts}")
    if file.get("md5"):
        known_hash = f"md5:{file['md5']}"
    else:
        known_hash = f"{_ALGORITHMS[file['checksum']['type']]}:{file['checksum']['value']}"
    return Remote(f"{source.files_address}{int(file['id'])}", folder.joinpath(*parts), known_hash)


def _get_git_lfs(source: Source, folder: Path, work: Path, track: Track, pause: Callable) -> None:
    archive = fetch(Remote(source.address, work / "pointers.tar.gz", None), pause=pause)
    try:
        table = _pointers(archive)
    except (tarfile.TarError, ValueError) as error:
        raise DownloadError(
            f"{source.address} is not the archive that was expected: {error}"
        ) from error
    lines = (f"{oid} {size} {name}\n" for name, (oid, size) in sorted(table.items()))
    digest = "sha256:" + hashlib.sha256("".join(lines).encode()).hexdigest()
    if digest != source.checksum:
        raise DownloadError(
            f"{source.address} has a table of checksums with the checksum {digest} instead of "
            f"{source.checksum}; nothing is downloaded by it"
        )
    remotes = [
        Remote(source.files_address + quote(name), folder / "AudioWAV" / name, f"sha256:{oid}")
        for name, (oid, _) in table.items()
    ]
    fetch_all(remotes, pause=pause, track=track)
    _check_count(source, len(remotes))


def _pointers(archive: Path) -> dict[str, tuple[str, str]]:
    """Checksum and size of each recording by its name, read off a repository's LFS pointers.

    Raises:
        ValueError: if a recording is something else than a pointer.
    """
    table = {}
    with tarfile.open(archive, "r|gz") as opened:
        for member in opened:
            path = _POINTER_PATH.fullmatch(member.name)
            if path is None:
                continue
            text = opened.extractfile(member).read(1024) if member.isfile() else b""
            pointer = _POINTER.fullmatch(text)
            if pointer is None:
                raise ValueError(f"{member.name} is no Git LFS pointer")
            table[path[1]] = (pointer[1].decode(), pointer[2].decode())
    return table


def _check_count(source: Source, found: int) -> None:
    if found != source.recordings:
        raise DownloadError(
            f"{source.address} has {found} recordings instead of {source.recordings}; it is "
            "another version now: is there a newer serkit?"
        )


_METHODS = {"zip": _get_zip, "dataverse": _get_dataverse, "git-lfs": _get_git_lfs}
