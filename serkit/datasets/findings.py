"""Findings of an audit: problems and anomalies of recordings."""

import csv
from collections import Counter
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from serkit.errors import RecordingError
from serkit.files import replacing

REJECTING = {
    "folder": "a folder that was not searched",
    "name": "no reader knows the file's name",
    "label": "no reader knows the label",
    "missing": "listed in a table, but not there",
    "unreadable": "cannot be read",
    "lfs-pointer": "Git LFS pointer instead of the recording",
    "html": "web page saved as a recording",
    "format": "not WAV, FLAC, MP3 or Ogg Vorbis of a kind that serkit decodes",
    "truncated": "shorter than its header says",
    "short": "shorter than 0.1 s",
    "silent": "without sound",
    "not-finite": "samples that are not finite numbers",
    "duplicate": "same samples and label as another recording",
    "contradiction": "same samples under different labels",
    "gender": "its speaker has another gender in other recordings",
}
"""Meaning of each kind of finding that keeps a recording out of the manifest."""

NOTICING = {
    "clipped": "samples cut off at full scale",
    "stereo": "more than one channel",
    "sample-rate": "another sample rate than most of its corpus",
    "length": "its header does not say how long it is",
}
"""Meaning of each kind of finding about usable recordings.

The caller may reject these recordings, too.
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem or anomaly of a file or of a folder.

    Attributes:
        root: name of the folder tree, as in :class:`~serkit.datasets.corpus.Clip`.
        path: POSIX path relative to the root; the path of a folder ends with a slash.
        kind: a key of :data:`REJECTING` or :data:`NOTICING`.
        reason: explanation for the user.
        files: number of files that the finding is about.
    """

    root: str
    path: str
    kind: str
    reason: str
    files: int = 1


FINDINGS_HEADER = ",".join(field.name for field in fields(Finding))
"""First line of every table of findings."""


class Unusable(RecordingError):
    """A file is not a usable recording; ``kind`` is a key of :data:`REJECTING`."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


def count_files(findings: Iterable[Finding]) -> dict[str, int]:
    """Count files per kind, in the order of :data:`REJECTING` and :data:`NOTICING`."""
    files_by_kind: Counter[str] = Counter()
    for finding in findings:
        files_by_kind[finding.kind] += finding.files
    return {kind: files_by_kind[kind] for kind in (*REJECTING, *NOTICING) if kind in files_by_kind}


def write_findings(path: Path, findings: Iterable[Finding]) -> None:
    """Write a CSV that begins with :data:`FINDINGS_HEADER`."""
    with replacing(path) as partial, open(partial, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([field.name for field in fields(Finding)])
        writer.writerows(astuple(finding) for finding in findings)
