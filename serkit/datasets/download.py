"""Download corpora from their authors' servers.

SAVEE cannot be downloaded: its owners provide it on request only.
"""

import hashlib
import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from filelock import FileLock, Timeout

from serkit.datasets.http import Remote, Track, fetch, fetch_all
from serkit.datasets.unpacking import base_name, read_pointers, unpack_zip
from serkit.errors import DownloadError, InputError, check_choice
from serkit.files import move_synced

_CREMAD = "CheyneyComputerScience/CREMA-D"
_CREMAD_COMMIT = "1658cd342dff90010aa843eaeebd53610a08b1dc"


@dataclass(frozen=True)
class Source:
    """Download addresses, licence and citation of a corpus.

    Attributes:
        name: name of the corpus on the command line, and of its folder.
        title: full name of the corpus.
        licence: name of the licence; it binds the user who downloads the corpus.
        citation: the publication to cite.
        homepage: page about the corpus, from which a user can also download by hand.
        kind: content of ``address``: ``zip``, an archive of the recordings; ``dataverse``, a JSON
            list of files; ``git-lfs``, a tar.gz of Git LFS pointers.
        address: URL of the archive or list.
        size: total download in bytes, shown to the user; an estimate for TESS. Of a zip, the size
            of the file.
        recordings: number of .wav files.
        checksum: ``sha256:`` of the zip, or ``sha256:`` of the table of pointers (see
            ``_get_git_lfs``). Empty for ``dataverse``: its list can change, and gives checksums.
        files_address: prefix of the URLs of single files; empty for a zip.
    """

    name: str
    title: str
    licence: str
    citation: str
    homepage: str
    kind: str
    address: str
    size: int
    recordings: int
    checksum: str = ""
    files_address: str = ""


SOURCES = {
    source.name: source
    for source in (
        Source(
            name="ravdess",
            title="Ryerson Audio-Visual Database of Emotional Speech and Song, speech only",
            licence="CC BY-NC-SA 4.0",
            citation="Livingstone SR, Russo FA (2018), The Ryerson Audio-Visual Database of "
            "Emotional Speech and Song (RAVDESS), PLoS ONE 13(5): e0196391, "
            "https://doi.org/10.1371/journal.pone.0196391",
            homepage="https://zenodo.org/records/1188976",
            kind="zip",
            address="https://zenodo.org/records/1188976/files/"
            "Audio_Speech_Actors_01-24.zip?download=1",
            size=208_468_073,
            recordings=1_440,
            checksum="sha256:5d208e01632cc3e5242106fa2af3273e6dc5239fb8143131979ac74c4aa40657",
        ),
        Source(
            name="tess",
            title="Toronto emotional speech set",
            licence="CC BY-NC-ND 4.0 (see the archive's page)",
            citation="Pichora-Fuller MK, Dupuis K (2020), Toronto emotional speech set (TESS), "
            "Borealis, https://doi.org/10.5683/SP2/E8H2MF",
            homepage="https://doi.org/10.5683/SP2/E8H2MF",
            kind="dataverse",
            address="https://borealisdata.ca/api/datasets/:persistentId/"
            "?persistentId=doi:10.5683/SP2/E8H2MF",
            size=280_000_000,
            recordings=2_800,
            files_address="https://borealisdata.ca/api/access/datafile/",
        ),
        Source(
            name="crema-d",
            title="Crowd-sourced Emotional Multimodal Actors Dataset",
            licence="Open Database License (ODbL) 1.0, contents under the Database Contents "
            "License (DbCL) 1.0",
            citation="Cao H, Cooper DG, Keutmann MK, Gur RC, Nenkova A, Verma R (2014), CREMA-D: "
            "Crowd-sourced Emotional Multimodal Actors Dataset, IEEE Transactions on Affective "
            "Computing 5(4):377-390, https://doi.org/10.1109/TAFFC.2014.2336244",
            homepage=f"https://github.com/{_CREMAD}",
            kind="git-lfs",
            address=f"https://github.com/{_CREMAD}/archive/{_CREMAD_COMMIT}.tar.gz",
            size=605_899_936,
            recordings=7_442,
            checksum="sha256:2b62f27621ccc4c90a0705aa8282a4ec60db60e82047edc50ebeac62371fdcd4",
            files_address="https://media.githubusercontent.com/media/"
            f"{_CREMAD}/{_CREMAD_COMMIT}/AudioWAV/",
        ),
    )
}


def find_source(name: str) -> Source:
    """Return the source of a corpus by its name.

    Raises:
        InputError: for SAVEE, with the address to request it from, and for an unknown name.
    """
    if name == "savee":
        raise InputError(
            "corpus='savee' cannot be downloaded by a program: ask its owners, the University of "
            "Surrey, at http://kahlan.eps.surrey.ac.uk/savee/Download.html (free for research "
            "after registration)"
        )
    check_choice("corpus", name, SOURCES)
    return SOURCES[name]


_MAX_RECORDING_BYTES = 64 << 20
# Largest list of files or pointers.
_MAX_LIST_BYTES = 256 << 20
# How many bytes an archive may have unpacked, for each of its own.
_MAX_UNPACKING_RATIO = 10
_HASH_NAMES = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-512": "sha512"}


def download(
    source: Source,
    to: Path | str,
    *,
    track: Track = lambda items, total: items,
    pause: Callable[[float], object] = time.sleep,
) -> Path:
    """Download a corpus into ``<to>/<name>``.

    The next call resumes an interrupted download. If the folder has at least as many
    recordings as ``source``, it is returned without a request: only checked recordings are put
    there. ``<to>/.partial-<name>-download`` holds the archive or list until the download is
    complete. Files in the folder stay unchanged, except that a file at the path of a recording is
    replaced if its checksum differs.

    Args:
        source: one of :data:`SOURCES`.
        to: parent folder of the corpus' folder; created if it does not exist.
        track: wraps an iterable of MiB (for a zip) or files for a progress bar; gets their number.
        pause: waits for the given number of seconds before the next attempt.

    Returns:
        The folder of the corpus.

    Raises:
        DownloadError: if a file cannot be downloaded or has another checksum, if the archive or
            list is not the expected one, or if another process is downloading the same corpus to
            the same folder.
        InputError: if the folder of a corpus that comes as a zip is neither empty nor complete.

    Example:
        .. code-block:: python

            from serkit.datasets.download import SOURCES, download

            folder = download(SOURCES["ravdess"], "recordings")
    """
    # Follow a link to another disk, so that the corpus goes there and does not replace the link.
    corpus_folder = (Path(to) / source.name).resolve()
    is_complete = len(_recordings_in(corpus_folder)) >= source.recordings
    if is_complete and not _work_folder_path(corpus_folder).exists():
        return corpus_folder
    with _work_folder(corpus_folder) as work:
        try:
            if not is_complete:
                _DOWNLOAD_BY_KIND[source.kind](source, corpus_folder, work, track, pause)
        except DownloadError as error:
            raise DownloadError(f"{error} (by hand: {source.homepage})") from error
    return corpus_folder


def _recordings_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if _is_recording(path.name) and path.is_file()]


def _is_recording(name: str) -> bool:
    # The audit also ignores names that begin with a dot: programs use them for their own files.
    return name.lower().endswith(".wav") and not name.startswith(".")


def _work_folder_path(folder: Path) -> Path:
    return folder.with_name(f".partial-{folder.name}-download")


@contextmanager
def _work_folder(folder: Path) -> Iterator[Path]:
    """Create a temporary folder next to ``folder``, locked against other processes.

    The folder is removed after success. After an exception it stays if it holds files.

    Raises:
        DownloadError: if another process holds the lock.
    """
    work = _work_folder_path(folder)
    work.mkdir(parents=True, exist_ok=True)
    lock_file = work / ".lock"
    try:
        with FileLock(lock_file, timeout=0):
            yield work
    except Timeout as error:
        raise DownloadError(
            f"another process is downloading to {folder}; wait for it or end it"
        ) from error
    except BaseException:
        # Keep a partial zip, so that the next call can resume it. Remove an empty folder.
        with suppress(OSError):
            lock_file.unlink()
            work.rmdir()
        raise
    # Remove the folder after the lock is closed: Windows cannot remove an open file.
    shutil.rmtree(work, ignore_errors=True)


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
        unpack_zip(archive.path, unpacked, _MAX_UNPACKING_RATIO * source.size)
    except ValueError as error:
        raise DownloadError(f"{source.address} is refused: {error}") from error
    _check_count(source, len(_recordings_in(unpacked)))
    # A rename overwrites no files: it fails if the target is a folder that is not empty.
    move_synced(unpacked, folder)


def _get_dataverse(source: Source, folder: Path, work: Path, track: Track, pause: Callable) -> None:
    listing = fetch(
        Remote(source.address, work / "listing.json", None, _MAX_LIST_BYTES), pause=pause
    )
    try:
        file_entries = json.loads(listing.read_bytes())["data"]["latestVersion"]["files"]
        names = [entry["dataFile"]["filename"] for entry in file_entries]
        remotes = [
            _parse_entry(entry, source, folder)
            # A name with a separator is not left out here: _parse_entry refuses it.
            for entry, name in zip(file_entries, names, strict=True)
            if _is_recording(base_name(name))
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DownloadError(
            f"{source.address} is not the list that was expected ({error!r}); "
            "is there a newer serkit?"
        ) from error
    for path, count in Counter(remote.path for remote in remotes).items():
        if count > 1:
            raise DownloadError(f"{source.address} is refused: it lists {path.name} {count} times")
    fetch_all(remotes, pause=pause, track=track)
    _check_count(source, len(remotes))


def _parse_entry(entry: dict, source: Source, folder: Path) -> Remote:
    """Return the file to download for an entry of a Dataverse list; refuse unsafe names."""
    file = entry["dataFile"]
    parts = [*filter(None, (entry.get("directoryLabel") or "").split("/")), file["filename"]]
    for part in parts:
        if part in (".", "..") or set(part) & set("/\\\0"):
            raise DownloadError(f"{source.address} is refused: it names a file {parts}")
    if file.get("md5"):
        known_hash = f"md5:{file['md5']}"
    else:
        known_hash = f"{_HASH_NAMES[file['checksum']['type']]}:{file['checksum']['value']}"
    return Remote(
        f"{source.files_address}{int(file['id'])}",
        folder.joinpath(*parts),
        known_hash,
        # A list without sizes is valid, too.
        int(file.get("filesize") or _MAX_RECORDING_BYTES),
    )


def _get_git_lfs(source: Source, folder: Path, work: Path, track: Track, pause: Callable) -> None:
    archive = fetch(
        Remote(source.address, work / "pointers.tar.gz", None, _MAX_LIST_BYTES), pause=pause
    )
    try:
        pointer_by_name = read_pointers(archive, _MAX_UNPACKING_RATIO * _MAX_LIST_BYTES)
    except ValueError as error:
        raise DownloadError(
            f"{source.address} is not the archive that was expected: {error}"
        ) from error
    # The table of pointers: a line per recording, in the order of the file names.
    lines = (f"{oid} {size} {name}\n" for name, (oid, size) in sorted(pointer_by_name.items()))
    digest = "sha256:" + hashlib.sha256("".join(lines).encode()).hexdigest()
    if digest != source.checksum:
        raise DownloadError(
            f"{source.address} has a table of checksums with the checksum {digest} instead of "
            f"{source.checksum}; nothing is downloaded by it"
        )
    remotes = [
        Remote(
            source.files_address + quote(name), folder / "AudioWAV" / name, f"sha256:{oid}", size
        )
        for name, (oid, size) in pointer_by_name.items()
    ]
    fetch_all(remotes, pause=pause, track=track)
    _check_count(source, len(remotes))


def _check_count(source: Source, recording_count: int) -> None:
    if recording_count != source.recordings:
        raise DownloadError(
            f"{source.address} has {recording_count} recordings instead of {source.recordings}; "
            "it is another version now: is there a newer serkit?"
        )


_DOWNLOAD_BY_KIND = {"zip": _get_zip, "dataverse": _get_dataverse, "git-lfs": _get_git_lfs}
