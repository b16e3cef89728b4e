"""Write the report page of an audit."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from serkit.datasets.audit import Audit
from serkit.datasets.corpus_info import SYNTHETIC_WARNING, licences_of, synthetic_clips
from serkit.datasets.findings import ANOMALY_KINDS, REJECTION_KINDS, Finding
from serkit.formatting import counted, percent
from serkit.reporting.clips import MAX_CLIPS, clip_to_hear
from serkit.reporting.corpus_figures import clips_by_class, durations, levels, prosody_by_class
from serkit.reporting.page import HeardClip, Section, Table, files_section, write_report

_DUPLICATES = ("duplicate", "contradiction")
# Rows of a table of findings; the CSV has all of them.
_MAX_FINDINGS = 100
# A longer table is folded.
_MAX_OPEN_ROWS = 12
_ASSOCIATIONS = {"emotion_by_corpus": "corpus", "emotion_by_speaker": "speaker"}


def write_audit_page(page: Path, audit: Audit, *, command: str = "") -> None:
    """Write the report page of an audit and its figures.

    Args:
        page: path of the HTML file, in the folder with the tables that
            :meth:`serkit.datasets.audit.Audit.write` wrote.
        audit: the audit; at least one clip is usable.
        command: the command that the page names as the one to repeat; empty: none.
    """
    if audit.prosody is None:
        # An earlier audit may have written this figure.
        for suffix in ("png", "svg"):
            (page.parent / "figures" / f"prosody.{suffix}").unlink(missing_ok=True)
    synthetic = [SYNTHETIC_WARNING] if synthetic_clips(audit.corpus) else []
    write_report(
        page,
        f"What is in the recordings ({', '.join(audit.summary['corpora'])})",
        takeaway(audit.summary),
        [*synthetic, *(f"{_capitalised(warning)}." for warning in audit.summary["warnings"])],
        [
            *_sections(audit),
            files_section(page, _files(page.parent), command),
        ],
    )


def takeaway(summary: Mapping[str, Any]) -> str:
    """Return what an audit found, in a few sentences of plain words.

    Args:
        summary: content of ``audit.json``.

    Example:
        >>> takeaway({"clips": 0, "rejected": {"silent": 2}})
        'No recording is usable: 2 files were rejected.'
    """
    n_rejected = sum(summary["rejected"].values())
    rejected = f"{counted(n_rejected, 'file')} {'was' if n_rejected == 1 else 'were'} rejected"
    if not summary["clips"]:
        return f"No recording is usable: {rejected}."
    counts = summary["categories"]
    rarest, largest = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    sentences = [
        f"{counted(summary['clips'], 'clip')} of {counted(summary['speakers'], 'speaker')} can be "
        f"used; {rejected}."
    ]
    if counts[rarest] < counts[largest]:
        sentences.append(
            f"The rarest class, {rarest}, has {counted(counts[rarest], 'clip')}, "
            f"{percent(counts[rarest] / counts[largest], 0)} of the largest, {largest}."
        )
    elif len(counts) > 1:
        sentences.append(f"All classes have {counted(counts[rarest], 'clip')}.")
    if warnings := len(summary["warnings"]):
        which = "the warning" if warnings == 1 else f"the {warnings} warnings"
        sentences.append(f"Read {which} before you train on them.")
    else:
        sentences.append("The checks for shortcuts gave no warning.")
    return " ".join(sentences)


def _sections(audit: Audit) -> Iterator[Section]:
    clips, summary = audit.corpus.to_frame(), audit.summary
    yield _balance_section(clips, summary)
    figures = {
        "durations": (
            durations(clips),
            "Durations of the clips; the longest 0.5 % are in the last bar.",
        )
    }
    yield Section("How long the clips are", figures=figures)
    text = (
        "The root mean square of each whole clip, pauses included, in decibels of full scale. "
        "If one corpus is louder than the others, a classifier can tell it by its level."
    )
    figures = {"levels": (levels(clips), "Levels of the clips.")}
    yield Section("How loud the clips are", [text], figures=figures)
    if audit.prosody is not None:
        yield _prosody_section(audit.prosody, audit.corpus.classes("emotion"), summary["prosody"])
    yield _shortcuts_section(summary)
    duplicates = [finding for finding in audit.rejected if finding.kind in _DUPLICATES]
    others = [finding for finding in audit.rejected if finding.kind not in _DUPLICATES]
    yield _findings_section("Duplicates", duplicates, "No recording is there twice.")
    yield _findings_section("Rejected files", others, "No other file was rejected.")
    yield _odd_clips_section(audit, clips)
    licences = [[name, licence] for name, licence in licences_of(audit.corpus).items()]
    text = "This page has sound made from the recordings; their licences hold for it, too."
    yield Section("Licences", [text], [Table(["recordings", "licence"], licences, True)])


def _balance_section(clips: pd.DataFrame, summary: Mapping[str, Any]) -> Section:
    corpora = [
        [
            name,
            str(corpus["clips"]),
            str(corpus["official"] or ""),
            str(corpus["speakers"]),
            f"{corpus['seconds'] / 3600:.2f}",
            ", ".join(corpus["sample_rates"]),
        ]
        for name, corpus in summary["corpora"].items()
    ]
    counts = summary["shortcuts"]["emotion_by_speaker"]["counts"]
    speakers = clips["speaker"].value_counts().sort_index()
    rows = [
        [speaker, str(total), *(str(counts[label].get(speaker, 0)) for label in counts)]
        for speaker, total in speakers.items()
    ]
    middle = f"{speakers.min()} to {speakers.max()}, median {speakers.median():g}"
    return Section(
        "Classes and speakers",
        [f"Clips of one speaker: {middle}."],
        [
            Table(["corpus", "clips", "official set", "speakers", "hours", "Hz"], corpora),
            _table(["speaker", "clips", *counts], rows, "Clips of each speaker by emotion"),
        ],
        {"clips": (clips_by_class(clips), "Clips by class and corpus, the rarest at the top.")},
    )


def _prosody_section(
    prosody: pd.DataFrame, emotions: Sequence[str], summary: Mapping[str, Any]
) -> Section:
    rows = [
        [
            " ".join(filter(None, (group["corpus"], group["gender"], group["emotion"] or "all"))),
            str(group["clips"]),
            _median(group["f0_hz"]),
            _median(group["level_db"]),
            _median(group["voiced_fraction"], 100),
            _median(group["syllables_per_second"], decimals=1),
        ]
        for group in summary["groups"]
    ]
    columns = ["median", "clips", "F0, Hz", "level, dB", "voiced, %", "syllables/s"]
    problems = [
        f"{counted(clips, 'clip')} with missing values: {problem}."
        for problem, clips in summary["problems"].items()
    ]
    caption = "Medians and quartiles over clips, by class and gender."
    return Section(
        "Prosody by class",
        problems,
        [_table(columns, rows, "Medians of each class")],
        {"prosody": (prosody_by_class(prosody, emotions), caption)},
    )


def _median(quartiles: Sequence[float] | None, factor: int = 1, decimals: int = 0) -> str:
    return "" if quartiles is None else f"{factor * quartiles[1]:.{decimals}f}"


def _shortcuts_section(summary: Mapping[str, Any]) -> Section:
    shortcuts = summary["shortcuts"]
    rows = [
        [
            f"emotion by {name}",
            f"{shortcuts[key]['cramers_v']:.2f}",
            f"{shortcuts[key]['by_chance']:.2f}",
        ]
        for key, name in _ASSOCIATIONS.items()
    ]
    tables = [Table(["", "Cramér's V", "by chance"], rows)]
    if len(summary["corpora"]) > 1:
        by_corpus = shortcuts["emotion_by_corpus"]["counts"]
        counts = [
            [label, *(str(by_corpus[label].get(corpus, 0)) for corpus in summary["corpora"])]
            for label in by_corpus
        ]
        tables.append(Table(["clips", *summary["corpora"]], counts))
    text = (
        "Cramér's V is 0 if the emotion has nothing to do with the corpus or the speaker, and 1 if "
        "one tells the other. The second number is the value to expect by chance. "
        "Where V is well above it, a classifier may learn the corpus or the speaker in place of "
        "the emotion."
    )
    return Section("Shortcuts for a classifier", [text], tables)


def _findings_section(title: str, findings: Sequence[Finding], nothing: str) -> Section:
    if not findings:
        return Section(title, [nothing])
    descriptions = REJECTION_KINDS | ANOMALY_KINDS
    rows = [
        [finding.path, f"{finding.kind}: {finding.reason or descriptions[finding.kind]}"]
        for finding in findings[:_MAX_FINDINGS]
    ]
    text = [f"{counted(sum(finding.files for finding in findings), 'file')}."]
    if len(findings) > len(rows):
        text.append(f"The first {len(rows)} of {len(findings)} lines; rejected.csv has all.")
    return Section(title, text, [_table(["file", "reason"], rows, "Files and reasons", words=True)])


def _odd_clips_section(audit: Audit, clips: pd.DataFrame) -> Section:
    kinds = [
        [f"{kind}: {ANOMALY_KINDS[kind]}", str(files)]
        for kind, files in audit.summary["noticed"].items()
    ]
    tables = [Table(["odd, and kept", "files"], kinds)] if kinds else []
    text = (
        "The first clip of each kind of anomaly, then those at the ends of level and duration. At "
        "most ten seconds of each; the spectrogram reaches 80 dB below its loudest value."
    )
    heard = list(_odd_clips(audit, clips))
    return Section("Odd clips to hear", [text], tables, clips=heard)


def _odd_clips(audit: Audit, clips: pd.DataFrame) -> Iterator[HeardClip]:
    first_of_kind = {finding.kind: finding for finding in reversed(audit.noticed)}
    odd = {
        (finding.root, finding.path): f"{kind}: {finding.reason}"
        for kind, finding in first_of_kind.items()
    }
    ends = {
        "the quietest": clips["rms"].idxmin(),
        "the loudest": clips["rms"].idxmax(),
        "the shortest": clips["duration"].idxmin(),
        "the longest": clips["duration"].idxmax(),
    }
    for description, index in ends.items():
        key = clips["root"][index], clips["path"][index]
        odd[key] = f"{odd[key]}; {description}" if key in odd else description
    labels = {(clip.root, clip.path): clip.category for clip in audit.corpus.clips}
    for (root, path), description in list(odd.items())[:MAX_CLIPS]:
        caption = f"{_capitalised(description)}. {path}, {labels[root, path]}"
        if clip := clip_to_hear(Path(audit.corpus.roots[root], path), caption):
            yield clip


def _table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], heading: str, *, words: bool = False
) -> Table:
    return Table(columns, rows, words, heading if len(rows) > _MAX_OPEN_ROWS else "")


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def _files(folder: Path) -> dict[Path, str]:
    return {
        folder / "manifest.csv": "the usable clips; training commands read it",
        folder / "rejected.csv": "the rejected files, with reasons",
        folder / "noticed.csv": "odd clips that were kept",
        folder / "prosody.csv": "prosody of each clip",
        folder / "audit.json": "all counts",
    }
