"""Find recordings that exist twice: within a corpus, across corpora, or in two formats."""

import filecmp
import itertools
import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from serkit.audio.containers import LOSSY_SUFFIXES, READABLE_SUFFIXES
from serkit.datasets.corpus import Clip
from serkit.datasets.findings import Finding
from serkit.errors import InputError

_RootAndPath = tuple[str, str]
# A folder with fewer files is not reported as a copy; each file has its own finding.
_MIN_FILES = 2
# Number of files that a finding lists.
_MAX_LISTED = 8
# Number of files with the same name and samples that are checked as possible originals.
_MAX_ORIGINALS = 5


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
    root_order = {name: number for number, name in enumerate(roots)}
    clips_by_digest: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        clips_by_digest[clip.sha256].append(clip)
    finding_by_file: dict[_RootAndPath, Finding] = {}
    for group in clips_by_digest.values():
        if len(group) > 1:
            group.sort(key=lambda c: (root_order[c.root], c.path.count("/"), c.path))
            finding_by_file |= {(f.root, f.path): f for f in _duplicate_findings(group, roots)}
    kept = [clip for clip in clips if (clip.root, clip.path) not in finding_by_file]
    findings = [*unusable, *finding_by_file.values()]
    if not any(finding.kind == "duplicate" for finding in finding_by_file.values()):
        return kept, findings
    files_by_digest = {
        digest: [(c.root, c.path) for c in group] for digest, group in clips_by_digest.items()
    }
    return kept, _CopiedFolders(files_by_digest, unusable, roots).replace_findings(findings)


def _duplicate_findings(group: Sequence[Clip], roots: Mapping[str, Path]) -> Iterable[Finding]:
    kept_clip, *copies = group
    emotions = {clip.emotion for clip in group}
    genders = {clip.gender for clip in group} - {""}
    if len(emotions) > 1 or len(genders) > 1:
        listed = [
            f"{_display_path(clip, kept_clip)} ({clip.category})" for clip in group[:_MAX_LISTED]
        ]
        names = ", ".join(listed)
        if len(group) > _MAX_LISTED:
            names += f" and {len(group) - _MAX_LISTED} more"
        reason = f"same samples under different labels: {names}"
        return [Finding(clip.root, clip.path, "contradiction", reason) for clip in group]
    findings = []
    for clip in copies:
        files = [Path(roots[c.root], c.path) for c in (kept_clip, clip)]
        identical_part = "bytes" if filecmp.cmp(*files, shallow=False) else "samples"
        reason = f"same {identical_part} and label as {_display_path(kept_clip, clip)}"
        if clip.speaker != kept_clip.speaker:
            reason += f", which is of another speaker ({kept_clip.speaker}, here {clip.speaker})"
        findings.append(Finding(clip.root, clip.path, "duplicate", reason))
    return findings


def _display_path(clip: Clip, reference: Clip) -> str:
    return clip.path if clip.root == reference.root else f"{clip.root}: {clip.path}"


class _CopiedFolders:
    """Find folders in which every file has a copy of the same name in another folder.

    Args:
        files_by_digest: files with equal samples; the first of each list is the one to keep.
        unusable: findings about files that have no digest.
        roots: folder of each root.
    """

    def __init__(
        self,
        files_by_digest: Mapping[str, Sequence[_RootAndPath]],
        unusable: Sequence[Finding],
        roots: Mapping[str, Path],
    ) -> None:
        self._roots = roots
        self._digest_by_file = {
            file: digest for digest, files in files_by_digest.items() for file in files
        }
        self._files_by_digest_and_name: dict[tuple[str, str], list[_RootAndPath]] = defaultdict(
            list
        )
        for digest, files in files_by_digest.items():
            for file in files:
                self._files_by_digest_and_name[digest, PurePosixPath(file[1]).name].append(file)
        self._files_below: dict[_RootAndPath, list[str]] = defaultdict(list)
        for root, path in {*self._digest_by_file, *((f.root, f.path) for f in unusable)}:
            for folder in PurePosixPath(path).parents:
                self._files_below[root, folder.as_posix()].append(path)

    def replace_findings(self, findings: Sequence[Finding]) -> list[Finding]:
        """Replace the findings in each copied folder tree by a single finding."""
        original_by_copy = self._find_copies(findings)
        remaining = [f for f in findings if not _is_inside((f.root, f.path), original_by_copy)]
        for (root, folder), (other_root, other_folder) in original_by_copy.items():
            file_count = len(self._files_below[root, folder])
            original_name = "the root" if other_folder == "." else f"{other_folder}/"
            if root != other_root:
                original_name = f"{other_root}: {other_folder}/"
            reason = f"a second copy of {original_name}: all {file_count} files in it are there too"
            remaining.append(Finding(root, f"{folder}/", "duplicate", reason, file_count))
        return remaining

    def _find_copies(self, findings: Sequence[Finding]) -> dict[_RootAndPath, _RootAndPath]:
        """Return the topmost copied folders, each with the folder that it is a copy of."""
        original_by_copy: dict[_RootAndPath, _RootAndPath] = {}
        checked_pairs: set[tuple[_RootAndPath, _RootAndPath]] = set()
        for finding in findings:
            file = (finding.root, finding.path)
            if finding.kind != "duplicate" or file not in self._digest_by_file:
                continue
            if _is_inside(file, original_by_copy):
                continue
            for pair in self._folder_pairs(file):
                if pair not in checked_pairs and self._is_copy(*pair):
                    original_by_copy[pair[0]] = pair[1]
                    break
                checked_pairs.add(pair)
        return {
            folder: original
            for folder, original in original_by_copy.items()
            if not _is_inside(folder, original_by_copy)
        }

    def _folder_pairs(self, file: _RootAndPath) -> Iterator[tuple[_RootAndPath, _RootAndPath]]:
        """Yield pairs of folders that may be copies, the topmost first.

        The first folder of a pair contains ``file``. The second folder contains an earlier file
        with the same samples, under the same relative path.
        """
        digest, file_name = self._digest_by_file[file], PurePosixPath(file[1]).name
        same_files = self._files_by_digest_and_name[digest, file_name][:_MAX_ORIGINALS]
        for root, path in itertools.takewhile(lambda other: other != file, same_files):
            parts, other_parts = PurePosixPath(file[1]).parts, PurePosixPath(path).parts
            # Number of parts, from the end, that are equal in both paths.
            common = 0
            for part, other_part in zip(reversed(parts), reversed(other_parts), strict=False):
                if part != other_part:
                    break
                common += 1
            for cut in range(common, 0, -1):
                folder = PurePosixPath(*parts[:-cut]).as_posix()
                other_folder = PurePosixPath(*other_parts[:-cut]).as_posix()
                if (file[0], folder) != (root, other_folder):
                    yield (file[0], folder), (root, other_folder)

    def _is_copy(self, folder: _RootAndPath, other_folder: _RootAndPath) -> bool:
        if len(self._files_below[folder]) < _MIN_FILES:
            return False
        for path in self._files_below[folder]:
            relative_path = PurePosixPath(path).relative_to(folder[1])
            other_path = PurePosixPath(other_folder[1], relative_path).as_posix()
            file, other_file = (folder[0], path), (other_folder[0], other_path)
            digest = self._digest_by_file.get(file)
            if digest != self._digest_by_file.get(other_file):
                return False
            if digest is None and not self._same_bytes(file, other_file):
                return False
        return True

    def _same_bytes(self, file: _RootAndPath, other_file: _RootAndPath) -> bool:
        paths = [Path(self._roots[root], path) for root, path in (file, other_file)]
        try:
            return filecmp.cmp(*paths, shallow=False)
        except OSError:
            return False


def _is_inside(file_or_folder: _RootAndPath, folders: Collection[_RootAndPath]) -> bool:
    root, path = file_or_folder
    return any((root, parent.as_posix()) in folders for parent in PurePosixPath(path).parents)


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
    lossy = [file for file in files if _suffix(file) in LOSSY_SUFFIXES]
    lossless = [file for file in files if _suffix(file) in READABLE_SUFFIXES - LOSSY_SUFFIXES]
    if not lossy or not lossless:
        return list(files), []
    lossless_by_identity = {
        identity: file for file in lossless if (identity := _identity(file, read))
    }
    original_by_copy = {
        file: original
        for file in lossy
        if (identity := _identity(file, read)) and (original := lossless_by_identity.get(identity))
    }
    findings = [
        Finding(root, file, "duplicate", f"a lossy copy of {original}, by name, label and speaker")
        for file, original in original_by_copy.items()
    ]
    return [file for file in files if file not in original_by_copy], findings


def _suffix(file: str) -> str:
    return os.path.splitext(file)[1].lower()


def _identity(file: str, read: Callable[[str], Clip]) -> tuple[str, ...] | None:
    try:
        clip = read(file)
    except InputError:
        return None
    folder, name = os.path.split(os.path.splitext(file)[0].lower())
    return name, clip.corpus, clip.emotion, clip.speaker if clip.speaker_known else f"/{folder}"
