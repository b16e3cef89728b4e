"""Findings of an audit: problems and anomalies of recordings."""

import csv
from collections import Counter
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from serkit.errors import SerkitError
from serkit.files import replacing

REJECTION_KINDS = {
    "folder": "folder that was not searched",
    "name": "file name of no known form, or with invalid characters",
    "label": "name or table row with an invalid, unsupported or missing value",
    "missing": "table row without an existing file, or with a wrong number of cells",
    "unreadable": "cannot be read",
    "lfs-pointer": "Git LFS pointer instead of the recording",
    "html": "web page saved as a recording",
    "format": "format, codec, sample rate or length that serkit does not decode",
    "truncated": "incomplete: shorter than its header says, or without its last Ogg page",
    "short": "shorter than 0.1 s",
    "silent": "less than 0.1 s above the silence threshold",
    "not-finite": "samples that are not finite numbers",
    "duplicate": "copy of another recording with the same label",
    "contradiction": "one recording with different labels",
    "gender": "its speaker has another gender in other recordings",
}
"""Kinds of findings that keep a recording, or a folder, out of the manifest; with descriptions."""

ANOMALY_KINDS = {
    "clipped": "samples cut off at full scale",
    "stereo": "more than one channel",
    "sample-rate": "a sample rate other than the most common one of its corpus",
    "length": "its header does not say how long it is",
}
"""Kinds of findings about usable recordings, with descriptions.

:func:`serkit.datasets.audit.audit` rejects recordings with the kinds in its ``reject``, too.
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem or anomaly of a file or of a folder.

    Attributes:
        root: name of the folder tree, as in :class:`~serkit.datasets.corpus.Clip`.
        path: POSIX path relative to the root; the path of a folder ends with a slash.
        kind: a key of :data:`REJECTION_KINDS` or :data:`ANOMALY_KINDS`.
        reason: explanation for the user.
        files: number of files that the finding stands for; 1 for a folder that was not searched,
            since its files are not counted.
    """

    root: str
    path: str
    kind: str
    reason: str
    files: int = 1


FINDINGS_HEADER = ",".join(field.name for field in fields(Finding))
"""First line of every table of findings."""


class UnusableError(SerkitError):
    """A file is not a usable recording.

    Args:
        kind: a key of :data:`REJECTION_KINDS`.
        reason: the message, without the file's name, which the caller knows.
    """

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


def count_files(findings: Iterable[Finding]) -> dict[str, int]:
    """Count files per kind, in the order of :data:`REJECTION_KINDS` and :data:`ANOMALY_KINDS`.

    Kinds without files are left out.
    """
    files_by_kind: Counter[str] = Counter()
    for finding in findings:
        files_by_kind[finding.kind] += finding.files
    kinds = (*REJECTION_KINDS, *ANOMALY_KINDS)
    return {kind: files_by_kind[kind] for kind in kinds if kind in files_by_kind}


def write_findings(path: Path, findings: Iterable[Finding]) -> None:
    """Write findings as CSV, a row each, below :data:`FINDINGS_HEADER`.

    An existing file is replaced.
    """
    with replacing(path) as partial, open(partial, "w", encoding="utf-8", newline="") as file:
        file.write(FINDINGS_HEADER + "\n")
        csv.writer(file, lineterminator="\n").writerows(astuple(finding) for finding in findings)
