"""Audit recordings: read every file once, keep the usable clips, and explain the rest."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from serkit.audio.containers import READABLE_SUFFIXES
from serkit.datasets.checks import (
    clip_anomalies,
    contradicting_genders,
    require_distinct_speakers,
    summarise,
    unusual_sample_rates,
)
from serkit.datasets.corpus import MANIFEST_HEADER, Clip, Corpus
from serkit.datasets.custom import Naming, UnknownName
from serkit.datasets.duplicates import drop_duplicates
from serkit.datasets.findings import ANOMALY_KINDS, FINDINGS_HEADER, Finding, write_findings
from serkit.datasets.probing import Probe
from serkit.datasets.prosody import PROSODY_HEADER, summarise_prosody, write_prosody
from serkit.datasets.roots import Root, open_roots
from serkit.datasets.workers import probe_all
from serkit.errors import InputError, check_choice
from serkit.files import write_json

# Other programs' CSV readers fail on line ends and other control characters in a path.
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Audit:
    """The result of :func:`audit`.

    Attributes:
        corpus: the usable clips.
        rejected: the files that cannot be used, with the reason; sorted by root and path.
        noticed: anomalies of usable clips.
        prosody: prosodic measurements of the clips of ``corpus``, by
            :func:`~serkit.datasets.prosody.measure_corpus`; None if not measured.

    Example:
        >>> import pathlib, tempfile, numpy as np, serkit, soundfile
        >>> folder = pathlib.Path(tempfile.mkdtemp(), "RAVDESS")
        >>> folder.mkdir()
        >>> sound = np.sin(np.arange(48_000) / 20) / 2
        >>> soundfile.write(folder / "03-01-05-01-01-01-12.wav", sound, 48_000)
        >>> audit = serkit.audit([folder])
        >>> audit.write(folder.parent)
        >>> len(serkit.Corpus.read(folder.parent / "manifest.csv"))
        1
    """

    corpus: Corpus
    rejected: tuple[Finding, ...]
    noticed: tuple[Finding, ...] = ()
    prosody: pd.DataFrame | None = field(default=None, compare=False, repr=False)

    def write(self, folder: Path | str) -> None:
        """Write manifest.csv, roots.json, rejected.csv, noticed.csv, prosody.csv and audit.json.

        If no prosody was measured, remove an existing prosody.csv, because it describes other
        clips.

        Args:
            folder: target folder.

        Raises:
            InputError: if one of these tables exists and was not written by serkit.
        """
        folder = Path(folder)
        require_own_tables(folder)
        self.corpus.write(folder / "manifest.csv")
        write_findings(folder / "rejected.csv", self.rejected)
        write_findings(folder / "noticed.csv", self.noticed)
        if self.prosody is None:
            (folder / "prosody.csv").unlink(missing_ok=True)
        else:
            write_prosody(folder / "prosody.csv", self.prosody)
        write_json(folder / "audit.json", self.summary)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Content of audit.json; see :func:`serkit.datasets.checks.summarise`.

        If prosody was measured, its summary is added under the key ``prosody``; see
        :func:`serkit.datasets.prosody.summarise_prosody`.
        """
        summary = summarise(self.corpus, self.rejected, self.noticed)
        if self.prosody is None:
            return summary
        return summary | {
            "prosody": summarise_prosody(self.prosody, self.corpus.classes("emotion"))
        }


def require_own_tables(folder: Path | str) -> None:
    """Raise unless the tables in a folder may be replaced, because serkit wrote them.

    Raises:
        InputError: if a table exists with a header that is not serkit's; the message names it.
    """
    for name, header in {
        "manifest.csv": MANIFEST_HEADER,
        "rejected.csv": FINDINGS_HEADER,
        "noticed.csv": FINDINGS_HEADER,
        "prosody.csv": PROSODY_HEADER,
    }.items():
        file = Path(folder, name)
        if file.exists() and _first_line(file) != header:
            raise InputError(f"{file} was not written by serkit and is not replaced.")


def _first_line(file: Path) -> str:
    with open(file, encoding="utf-8", errors="replace") as text_file:
        return text_file.readline().rstrip("\n")


class NothingUsable(InputError):
    """No recording is usable; the attribute ``audit`` has the reason for each file."""

    def __init__(self, message: str, audit: Audit) -> None:
        super().__init__(message)
        self.audit = audit


def audit(
    roots: Sequence[Path | str],
    *,
    naming: Naming | None = None,
    reject: Collection[str] = (),
    track: Callable[[Iterable[Any], int], Iterable[Any]] = lambda items, total: items,
) -> Audit:
    """Find and measure every recording below ``roots``.

    Args:
        roots: folders, CSV files or ``NAME=FOLDER``; see :func:`serkit.datasets.roots.open_roots`.
        naming: naming rules of recordings that are not of the four known corpora.
        reject: kinds of anomalies that keep a clip out of the manifest, keys of
            :data:`serkit.datasets.findings.ANOMALY_KINDS`.
        track: wraps the iteration over files for a progress bar; gets the number of files.

    Returns:
        The usable clips, the rejected files with the reasons, and the anomalies of usable clips.

    Raises:
        InputError: if a root does not exist or is neither a folder nor a CSV, an argument is not
            valid, or speakers of two corpora would have the same name.
        NothingUsable: if no recording below the roots is usable.

    Example:
        >>> import pathlib, tempfile, numpy as np, serkit, soundfile
        >>> folder = pathlib.Path(tempfile.mkdtemp(), "RAVDESS")
        >>> folder.mkdir()
        >>> sound = np.sin(np.arange(48_000) / 20) / 2
        >>> soundfile.write(folder / "03-01-05-01-01-01-12.wav", sound, 48_000)
        >>> soundfile.write(folder / "03-01-04-01-01-01-12.wav", 0 * sound, 48_000)
        >>> audit = serkit.audit([folder])
        >>> audit.corpus.counts("emotion"), len(audit.rejected)
        ({'angry': 1}, 1)
    """
    for kind in reject:
        check_choice("reject", kind, ANOMALY_KINDS)
    opened_roots = open_roots(roots, naming or Naming())
    folders = {root.name: root.folder for root in opened_roots}
    rejected = [finding for root in opened_roots for finding in root.rejected]
    clips_to_probe = list(_parse_names(opened_roots, rejected))
    require_distinct_speakers(clips_to_probe)
    clips, noticed = [], []
    files = [str(folders[clip.root] / clip.path) for clip in clips_to_probe]
    for clip, result in zip(clips_to_probe, track(probe_all(files), len(files)), strict=True):
        if isinstance(result, Probe):
            clips.append(_with_measurements(clip, result))
            noticed += clip_anomalies(clip, result)
        else:
            rejected.append(Finding(clip.root, clip.path, *result))
    noticed += unusual_sample_rates(clips)
    findings_to_reject = [*contradicting_genders(clips), *(f for f in noticed if f.kind in reject)]
    findings_to_reject = list(
        {_file_key(finding): finding for finding in findings_to_reject}.values()
    )
    rejected_keys = {_file_key(finding) for finding in findings_to_reject}
    clips = [clip for clip in clips if _file_key(clip) not in rejected_keys]
    # Drop duplicates last, so that the copy that is kept is not one of the rejected clips.
    clips, rejected = drop_duplicates(clips, [*rejected, *findings_to_reject], folders)
    noticed = _findings_about(clips, noticed)
    rejected.sort(key=_file_key)
    if not clips:
        empty_audit = Audit(Corpus((), folders), tuple(rejected))
        raise NothingUsable(_nothing_usable(opened_roots, rejected), empty_audit)
    return Audit(
        Corpus(tuple(clips), folders), tuple(rejected), tuple(sorted(noticed, key=_file_key))
    )


def _file_key(item: Finding | Clip) -> tuple[str, str]:
    return item.root, item.path


def _findings_about(clips: Sequence[Clip], findings: Iterable[Finding]) -> list[Finding]:
    clip_keys = set(map(_file_key, clips))
    return [finding for finding in findings if _file_key(finding) in clip_keys]


def _parse_names(roots: Sequence[Root], rejected: list[Finding]) -> Iterator[Clip]:
    """Parse the clips' names; append a finding to ``rejected`` for each unreadable name."""
    for root in roots:
        for path in root.files:
            try:
                path.encode()
                if _CONTROL.search(path):
                    raise UnknownName("its name has control characters")
                yield replace(root.read(path), root=root.name, path=path)
            except UnicodeEncodeError:
                # Old archives contain such names. UTF-8 tables and pipelines cannot hold them.
                shown = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
                rejected.append(Finding(root.name, shown, "name", "its name is not UTF-8"))
            except UnknownName as error:
                rejected.append(Finding(root.name, path, "name", str(error)))
            except InputError as error:
                rejected.append(Finding(root.name, path, "label", str(error)))


def _with_measurements(clip: Clip, measurements: Probe) -> Clip:
    attributes = ("sample_rate", "channels", "duration", "peak", "rms", "sha256")
    return replace(clip, **{name: getattr(measurements, name) for name in attributes})


def _nothing_usable(roots: Sequence[Root], rejected: Sequence[Finding]) -> str:
    folders = ", ".join(str(root.folder) for root in roots)
    if not rejected:
        suffixes = ", ".join(sorted(READABLE_SUFFIXES))
        return f"no recordings ({suffixes}) below {folders}"
    first_finding = rejected[0]
    return (
        f"no usable recording below {folders}: {sum(finding.files for finding in rejected)} "
        f"rejected, the first {first_finding.path}: {first_finding.reason}"
    )


def open_recordings(
    inputs: Sequence[Path | str],
    track: Callable[[Iterable[Any], int], Iterable[Any]] = lambda items, total: items,
    *,
    naming: Naming | None = None,
    reject: Collection[str] = (),
) -> Audit:
    """Audit folders and CSV tables, and read manifests without another audit.

    Args:
        inputs: roots as for :func:`audit`, and ``manifest.csv`` files that an audit wrote, with
            their ``roots.json`` in the same folder.
        track: as for :func:`audit`.
        naming: as for :func:`audit`; not applied to manifests.
        reject: as for :func:`audit`; not applied to manifests.

    Returns:
        All clips, those of manifests last. Rejected files and anomalies are those of the audited
        roots only.

    Raises:
        InputError: as :func:`audit`; or if two inputs have a root of the same name or contain the
            same recording.
        NothingUsable: as :func:`audit`.
    """
    manifests = [Path(path) for path in inputs if is_manifest(path)]
    roots_to_audit = [path for path in inputs if Path(path) not in manifests]
    audited = (
        audit(roots_to_audit, naming=naming, reject=reject, track=track)
        if roots_to_audit
        else Audit(Corpus(()), ())
    )
    corpora = [audited.corpus, *map(Corpus.read, manifests)]
    folder_by_root: dict[str, Path] = {}
    for corpus in corpora:
        if shared_names := sorted(folder_by_root.keys() & corpus.roots.keys()):
            raise InputError(
                f"Roots must have different names. Received: {', '.join(shared_names)} twice."
            )
        folder_by_root |= corpus.roots
    clips = [clip for corpus in corpora for clip in corpus.clips]
    path_by_digest: dict[str, str] = {}
    for clip in clips:
        if clip.sha256 in path_by_digest:
            raise InputError(
                "Manifests must list each recording once. "
                f"Received: {clip.path}, the same as {path_by_digest[clip.sha256]}."
            )
        path_by_digest[clip.sha256] = clip.path
    return Audit(Corpus(tuple(clips), folder_by_root), audited.rejected, audited.noticed)


def require_other_folder(out: Path, inputs: Sequence[Path | str]) -> None:
    """Raise if the output folder holds a manifest that is an input.

    Writing there would replace the rejected.csv of that manifest's audit.

    Raises:
        InputError: if ``out`` is the folder of a manifest in ``inputs``; the message names it.
    """
    for path in inputs:
        if is_manifest(path) and Path(path).resolve().parent == out.resolve():
            raise InputError(
                f"`--out` must be another folder than that of the manifest. Received: {out}"
            )


def is_manifest(path: Path | str) -> bool:
    """Return whether a path is a manifest that an audit wrote."""
    path = Path(path)
    is_table = path.suffix.lower() == ".csv" and path.is_file()
    return is_table and _first_line(path) == MANIFEST_HEADER
