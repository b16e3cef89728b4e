"""Find recordings that exist twice: within a corpus, across corpora, or in two formats."""

import filecmp
import itertools
import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from serkit.audio.containers import LOSSY, READ
from serkit.datasets.corpus import Clip
from serkit.datasets.findings import Finding
from serkit.errors import InputError

_Key = tuple[str, str]
# A folder with fewer files is not reported as a copy; each file has its own finding.
_TREE = 2
_NAMED = 8
# Number of files with the same name and samples that are compared as possible originals.
_TWINS = 5


def drop_duplicates(
    clips: Sequence[Clip], unusable: Sequence[Finding], roots: Mapping[str, Path]
) -> tuple[list[Clip], list[Finding]]:
    """Keep one clip of each group with the same samples; drop groups with contradicting labels.

    The clip that is kept is in the first root, then in the fewest subfolders, then first by path.
    If every file of a folder tree has a copy of the same name in another tree, one finding
    replaces the findings of all files.

    Args:
        clips: clips with their digests.
        unusable: findings about files that were rejected before. A copied folder tree contains
            copies of such files, too.
        roots: folder of each root, in the order of the roots.

    Returns:
        The clips to keep, in their order, and all findings, including ``unusable``.
    """
    order = {name: number for number, name in enumerate(roots)}
    groups: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        groups[clip.sha256].append(clip)
    dropped: dict[_Key, Finding] = {}
    for group in groups.values():
        if len(group) > 1:
            group.sort(key=lambda c: (order[c.root], c.path.count("/"), c.path))
            dropped |= {(f.root, f.path): f for f in _resolved(group, roots)}
    kept = [clip for clip in clips if (clip.root, clip.path) not in dropped]
    found = [*unusable, *dropped.values()]
    if not any(finding.kind == "duplicate" for finding in dropped.values()):
        return kept, found
    same = {digest: [(c.root, c.path) for c in group] for digest, group in groups.items()}
    return kept, _Trees(same, unusable, roots).fold(found)


def _resolved(group: Sequence[Clip], roots: Mapping[str, Path]) -> Iterable[Finding]:
    first, *others = group
    emotions = {clip.emotion for clip in group}
    genders = {clip.gender for clip in group} - {""}
    if len(emotions) > 1 or len(genders) > 1:
        names = ", ".join(f"{_show(clip, first)} ({clip.category})" for clip in group[:_NAMED])
        if len(group) > _NAMED:
            names += f" and {len(group) - _NAMED} more"
        reason = f"same samples under different labels: {names}"
        return [Finding(clip.root, clip.path, "contradiction", reason) for clip in group]
    found = []
    for clip in others:
        files = [Path(roots[c.root], c.path) for c in (first, clip)]
        what = "bytes" if filecmp.cmp(*files, shallow=False) else "samples"
        reason = f"same {what} and label as {_show(first, clip)}"
        if clip.speaker != first.speaker:
            reason += f", which is of another speaker ({first.speaker}, here {clip.speaker})"
        found.append(Finding(clip.root, clip.path, "duplicate", reason))
    return found


def _show(clip: Clip, seen_from: Clip) -> str:
    return clip.path if clip.root == seen_from.root else f"{clip.root}: {clip.path}"


class _Trees:
    """Find folders in which every file has a copy of the same name in another folder.

    Args:
        same: files by digest; the first of each list is the one to keep.
        unusable: findings about files that have no digest.
        roots: folder of each root.
    """

    def __init__(
        self,
        same: Mapping[str, Sequence[_Key]],
        unusable: Sequence[Finding],
        roots: Mapping[str, Path],
    ) -> None:
        self._roots = roots
        self._digest = {key: digest for digest, keys in same.items() for key in keys}
        self._named: dict[_Key, list[_Key]] = defaultdict(list)
        for digest, keys in same.items():
            for key in keys:
                self._named[digest, PurePosixPath(key[1]).name].append(key)
        self._below: dict[_Key, list[str]] = defaultdict(list)
        for root, path in {*self._digest, *((f.root, f.path) for f in unusable)}:
            for folder in PurePosixPath(path).parents:
                self._below[root, folder.as_posix()].append(path)

    def fold(self, findings: Sequence[Finding]) -> list[Finding]:
        """Replace the findings in each copied folder tree by a single finding."""
        doubled = self._doubled(findings)
        folded = [f for f in findings if not _inside((f.root, f.path), doubled)]
        for (root, folder), (other_root, other) in doubled.items():
            count = len(self._below[root, folder])
            place = "the root" if other == "." else f"{other}/"
            if root != other_root:
                place = f"{other_root}: {other}/"
            reason = f"a second copy of {place}: all {count} files in it are there too"
            folded.append(Finding(root, f"{folder}/", "duplicate", reason, count))
        return folded

    def _doubled(self, findings: Sequence[Finding]) -> dict[_Key, _Key]:
        """Return the topmost copied folders, each with the folder that it is a copy of."""
        found: dict[_Key, _Key] = {}
        seen: set[tuple[_Key, _Key]] = set()
        for finding in findings:
            key = (finding.root, finding.path)
            if finding.kind != "duplicate" or key not in self._digest or _inside(key, found):
                continue
            for pair in self._pairs(key):
                if pair not in seen and self._is_copy(*pair):
                    found[pair[0]] = pair[1]
                    break
                seen.add(pair)
        return {folder: of for folder, of in found.items() if not _inside(folder, found)}

    def _pairs(self, key: _Key) -> Iterator[tuple[_Key, _Key]]:
        """Yield pairs of folders that may be copies, the topmost first.

        The first folder of a pair contains the file ``key``. The second one contains an earlier
        file with the same samples, under the same relative path.
        """
        twins = self._named[self._digest[key], PurePosixPath(key[1]).name][:_TWINS]
        for root, path in itertools.takewhile(lambda twin: twin != key, twins):
            parts, others = PurePosixPath(key[1]).parts, PurePosixPath(path).parts
            common = 0
            while common < min(len(parts), len(others)) and parts[~common] == others[~common]:
                common += 1
            for cut in range(common, 0, -1):
                folder, other = (PurePosixPath(*p[:-cut]).as_posix() for p in (parts, others))
                if (key[0], folder) != (root, other):
                    yield (key[0], folder), (root, other)

    def _is_copy(self, folder: _Key, other: _Key) -> bool:
        if len(self._below[folder]) < _TREE:
            return False
        for path in self._below[folder]:
            twin = PurePosixPath(other[1], PurePosixPath(path).relative_to(folder[1])).as_posix()
            digests = (self._digest.get((folder[0], path)), self._digest.get((other[0], twin)))
            if digests[0] != digests[1] or (
                digests[0] is None and not self._same_bytes((folder[0], path), (other[0], twin))
            ):
                return False
        return True

    def _same_bytes(self, *keys: _Key) -> bool:
        files = [Path(self._roots[root], path) for root, path in keys]
        try:
            return filecmp.cmp(*files, shallow=False)
        except OSError:
            return False


def _inside(key: _Key, folders: Collection[_Key]) -> bool:
    return any((key[0], folder.as_posix()) in folders for folder in PurePosixPath(key[1]).parents)


def drop_lossy_copies(
    root: str, files: Sequence[str], read: Callable[[str], Clip]
) -> tuple[list[str], list[Finding]]:
    """Leave out lossy files for which a lossless file has the same name, label and speaker.

    The samples of the two files differ, so their digests do not identify the copy. Without this
    step the recording would be counted twice. If the speaker is not known, only files in the same
    folder count as copies.

    Args:
        root: name of the folder tree, for the findings.
        files: paths relative to the root.
        read: parses a clip from a path; raises InputError if it cannot.

    Returns:
        The files to keep, and a finding for each file that is left out.
    """
    lossy = [file for file in files if _suffix(file) in LOSSY]
    lossless = [file for file in files if _suffix(file) in READ - LOSSY]
    if not lossy or not lossless:
        return list(files), []
    originals = {key: file for file in lossless if (key := _key(file, read))}
    found = {
        file: original
        for file in lossy
        if (key := _key(file, read)) and (original := originals.get(key))
    }
    findings = [
        Finding(root, file, "duplicate", f"a lossy copy of {original}, by name, label and speaker")
        for file, original in found.items()
    ]
    return [file for file in files if file not in found], findings


def _suffix(file: str) -> str:
    return os.path.splitext(file)[1].lower()


def _key(file: str, read: Callable[[str], Clip]) -> tuple[str, ...] | None:
    try:
        clip = read(file)
    except InputError:
        return None
    folder, name = os.path.split(os.path.splitext(file)[0].lower())
    return name, clip.corpus, clip.emotion, clip.speaker if clip.speaker_known else f"/{folder}"
