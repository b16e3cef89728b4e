"""Recordings, however somebody names them: folders, tables, or the manifest of an audit."""

from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

from serkit.corpora.audit import Audit, audit
from serkit.corpora.corpus import MANIFEST_HEADER, Corpus
from serkit.corpora.naming import Naming
from serkit.errors import InputError


def open_recordings(
    given: Sequence[Path | str],
    track: Callable[[Iterable, int], Iterable] = lambda items, total: items,
    *,
    naming: Naming | None = None,
    reject: Collection[str] = (),
) -> Audit:
    """Audit folders and tables; what a manifest lists has been audited before.

    Args:
        given: as for :func:`serkit.corpora.audit.audit`, and ``manifest.csv`` files that an audit
            wrote, with their ``roots.json`` beside them.
        track: as for :func:`serkit.corpora.audit.audit`.
        naming: as for :func:`serkit.corpora.audit.audit`; not of what a manifest lists.
        reject: as for :func:`serkit.corpora.audit.audit`; not of what a manifest lists.

    Returns:
        All clips, manifests' last, and what the audit of the others rejected or noticed.

    Raises:
        InputError: as ``audit``; or if two of them have a root of one name, or the same recording.
    """
    manifests = [Path(each) for each in given if is_manifest(each)]
    others = [each for each in given if Path(each) not in manifests]
    found = (
        audit(others, naming=naming, reject=reject, track=track)
        if others
        else Audit(Corpus(()), ())
    )
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


def require_other_folder(out: Path, given: Sequence[Path | str]) -> None:
    """Refuse to write tables beside a manifest that is read: its rejections would be lost.

    Raises:
        InputError: names the manifest.
    """
    for each in given:
        if is_manifest(each) and Path(each).resolve().parent == out.resolve():
            raise InputError(
                f"`--out` must be another folder than that of the manifest. Received: {out}"
            )


def is_manifest(given: Path | str) -> bool:
    """Whether it is a manifest that an audit wrote."""
    path = Path(given)
    if path.suffix.lower() != ".csv" or not path.is_file():
        return False
    with open(path, encoding="utf-8", errors="replace") as opened:
        return opened.readline().rstrip("\n") == MANIFEST_HEADER
