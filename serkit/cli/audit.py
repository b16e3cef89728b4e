"""``serkit audit``: check a folder of recordings."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serkit.cli.arguments import add_recordings, naming_of
from serkit.cli.output import add_output, print_json, progress_of
from serkit.errors import InputError, check_choice
from serkit.files import require_no_other_results
from serkit.formatting import counted

if TYPE_CHECKING:
    from serkit.datasets.audit import Audit
    from serkit.datasets.corpus import Corpus
    from serkit.datasets.custom import Naming
    from serkit.datasets.findings import Finding
    from serkit.progress import Progress

_MAX_FINDINGS_SHOWN = 20


def add_to(commands) -> None:
    parser = commands.add_parser(
        "audit",
        help="check recordings: manifest.csv, rejected.csv, shortcuts, a report page",
        description="Reads every recording once and changes nothing. RAVDESS, TESS, SAVEE and "
        "CREMA-D are recognised by their file names, at any depth; other recordings are read by a "
        "folder per label, a CSV (path,label,speaker[,gender,sentence,intensity,repetition]) or "
        "a pattern.",
    )
    add_recordings(parser)
    add = parser.add_argument
    add("--out", type=Path, default=Path("runs/audit"), help="write here; default: %(default)s")
    add(
        "--reject",
        nargs="+",
        default=[],
        metavar="KIND",
        help="reject these clips, too: clipped, stereo, sample-rate, length; default: none",
    )
    add(
        "--prosody",
        action="store_true",
        help="measure fundamental frequency, level, voiced fraction and speaking rate: prosody.csv",
    )
    add("--strict", action="store_true", help="exit with 1 if a file was rejected")
    add_output(parser, has_json=True)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the tables and the report page, and print a summary."""
    from serkit.datasets.audit import (
        NothingUsable,
        open_recordings,
        require_other_folder,
        require_own_tables,
    )
    from serkit.datasets.findings import ANOMALY_KINDS
    from serkit.datasets.roots import require_roots_exist
    from serkit.reporting.audit_page import write_audit_page

    progress = progress_of(options)
    naming = naming_of(options)
    require_roots_exist(options.roots)
    for kind in options.reject:
        check_choice("reject", kind, ANOMALY_KINDS)
    # Check the output folder before the recordings are read, which may take long.
    require_no_other_results(options.out, "audit.json")
    options.out.mkdir(parents=True, exist_ok=True)
    require_own_tables(options.out)
    page = options.out / "report.html"
    if page.exists() and not (options.out / "audit.json").exists():
        raise InputError(f"{page} is not of an audit and is not replaced.")
    require_other_folder(options.out, options.roots)
    try:
        track = progress.progress_bar("reading")
        audit = open_recordings(options.roots, track, naming=naming, reject=options.reject)
    except NothingUsable as error:
        error.audit.write(options.out)
        # It describes the recordings of an earlier audit.
        page.unlink(missing_ok=True)
        raise
    if options.prosody:
        from serkit.datasets.prosody import measure_corpus

        prosody = measure_corpus(audit.corpus, progress.progress_bar("measuring prosody"))
        audit = replace(audit, prosody=prosody)
    audit.write(options.out)
    write_audit_page(page, audit, command=options.line)
    _print_summary(audit, progress)
    for message in _unused_names(naming, audit.corpus):
        progress.say(f"! {message}")
    tables = ["manifest.csv", "rejected.csv", "noticed.csv", *["prosody.csv"] * options.prosody]
    progress.say(f"\nwritten to {options.out}: {', '.join(tables)}, audit.json, figures/")
    progress.say(f"report: {page}")
    progress.say(f"train on them: serkit train {options.out / 'manifest.csv'}")
    if options.json:
        print_json(audit.summary)
    if options.strict and audit.rejected:
        count = counted(sum(finding.files for finding in audit.rejected), "file")
        rejected = options.out / "rejected.csv"
        print(f"serkit audit: {count} rejected, with --strict; see {rejected}", file=sys.stderr)
        return 1
    return 0


def _unused_names(naming: "Naming", corpus: "Corpus") -> list[str]:
    """Return messages about labels and speakers in options that no clip has.

    Most of these are misspelled.
    """
    labels = {clip.original_label for clip in corpus.clips}
    speakers = {clip.speaker.removeprefix(f"{clip.corpus}-") for clip in corpus.clips}
    messages = []
    for label in {*naming.labels} - labels:
        messages.append(f"--label-names {label}=…: no clip has that label")
    for speaker in {*naming.genders} - speakers:
        messages.append(f"--genders {speaker}=…: no such speaker")
    return sorted(messages)


def _print_summary(audit: "Audit", progress: "Progress") -> None:
    summary = audit.summary
    progress.table(
        "",
        ["corpus", "clips", "official set", "speakers", "hours", "Hz"],
        [_corpus_row(name, corpus) for name, corpus in summary["corpora"].items()],
    )
    progress.class_counts_table(
        f"{counted(summary['clips'], 'clip')} of {counted(summary['speakers'], 'speaker')}",
        summary["categories"],
    )
    _print_findings("rejected", summary["rejected"], audit.rejected, progress)
    _print_findings("odd, and kept", summary["noticed"], audit.noticed, progress)
    if "prosody" in summary:
        _print_prosody(summary["prosody"], progress)
    for attribute in ("corpus", "speaker"):
        association = summary["shortcuts"][f"emotion_by_{attribute}"]
        progress.say(
            f"emotion by {attribute}: Cramér's V {association['cramers_v']:.2f} "
            f"({association['by_chance']:.2f} if they had nothing to do with each other)"
        )
    for warning in summary["warnings"]:
        progress.say(f"! {warning}")


def _corpus_row(name: str, summary: Mapping[str, Any]) -> list[object]:
    rates = " ".join(summary["sample_rates"])
    hours = f"{summary['seconds'] / 3600:.2f}"
    official = summary["official"] or ""
    return [name, summary["clips"], official, summary["speakers"], hours, rates]


def _print_findings(
    heading: str, counts: Mapping[str, int], findings: "Sequence[Finding]", progress: "Progress"
) -> None:
    from serkit.datasets.findings import ANOMALY_KINDS, REJECTION_KINDS

    if not counts:
        progress.say(f"files {heading}: 0")
        return
    descriptions = REJECTION_KINDS | ANOMALY_KINDS
    rows = [(f"{kind}: {descriptions[kind]}", files) for kind, files in counts.items()]
    progress.table(f"files {heading}: {sum(counts.values())}", ["kind", "files"], rows)
    for finding in findings[:_MAX_FINDINGS_SHOWN]:
        progress.say(f"  {finding.path}: {finding.reason}")
    n_hidden = len(findings) - _MAX_FINDINGS_SHOWN
    if n_hidden > 0:
        progress.say(f"  … and {n_hidden} more lines in the CSV")


def _print_prosody(prosody: Mapping[str, Any], progress: "Progress") -> None:
    corpora = dict.fromkeys(group["corpus"] for group in prosody["groups"])
    for corpus in corpora:
        groups = [group for group in prosody["groups"] if group["corpus"] == corpus]
        progress.table(
            f"prosody of {corpus}: median and quartiles over clips",
            ["", "clips", "F0, Hz", "level, dB", "voiced, %", "syllables/s"],
            map(_prosody_row, groups),
        )
    for problem, clips in prosody["problems"].items():
        progress.say(f"! {counted(clips, 'clip')} with missing prosody: {problem}")


def _prosody_row(group: Mapping[str, Any]) -> list[object]:
    name_parts = [group["gender"], group["emotion"] or "all"]
    cells = (
        _format_quartiles(group["f0_hz"], decimals=0),
        _format_quartiles(group["level_db"], decimals=0),
        _format_quartiles(group["voiced_fraction"], decimals=0, factor=100),
        _format_quartiles(group["syllables_per_second"], decimals=1),
    )
    return [" ".join(filter(None, name_parts)), group["clips"], *cells]


def _format_quartiles(quartiles: list[float] | None, decimals: int, factor: int = 1) -> str:
    if quartiles is None:
        return "-"
    low, median, high = (f"{factor * value:.{decimals}f}" for value in quartiles)
    return f"{median} ({low} to {high})"
