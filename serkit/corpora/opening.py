"""Recordings, however somebody names them: folders, tables, or the manifest of an audit."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from serkit.corpora.audit import Audit, audit
from serkit.corpora.corpus import MANIFEST_HEADER, Corpus
from serkit.errors import InputError


def open_recordings(
    given: Sequence[Path | str],
    track: Callable[[Iterable, int], Iterable] = lambda items, total: items,
) -> Audit:
    """Audit folders and tables; what a manifest lists has been audited before.

    Args:
        given: as for :func:`serkit.corpora.audit.audit`, and ``manifest.csv`` files that an audit
            wrote, with their ``roots.json`` beside them.
        track: as for :func:`serkit.corpora.audit.audit`.

    Returns:
        All clips, manifests' last, and what the audit of the others rejected or noticed.

    Raises:
        InputError: as ``audit``; or if two of them have a root of one name, or the same recording.
    """
    manifests = [Path(each) for each in given if _is_manifest(Path(each))]
    others = [each for each in given if Path(each) not in manifests]
    found = audit(others, track=track) if others else Audit(Corpus(()), ())
    corpora = [found.corpus, *map(Corpus.read, manifests)]
    roots: dict[str, Path] = {}
    for corpus in corpora:
        if shared := sorted(roots.keys() & corpus.roots.keys()):
            raise InputError(f"several of what is given have a root {', '.join(shared)}")
        roots |= corpus.roots
    clips = [clip for corpus in corpora for clip in corpus.clips]
    seen: dict[str, str] = {}
    for clip in clips:
        if clip.sha256 in seen:
            raise InputError(f"{clip.path} is the same recording as {seen[clip.sha256]}")
        seen[clip.sha256] = clip.path
    return Audit(Corpus(tuple(clips), roots), found.rejected, found.noticed)


def _is_manifest(path: Path) -> bool:
    if path.suffix.lower() != ".csv" or not path.is_file():
        return False
    with open(path, encoding="utf-8", errors="replace") as opened:
        return opened.readline().rstrip("\n") == MANIFEST_HEADER
