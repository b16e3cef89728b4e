"""``serkit audit``: check a folder of recordings."""

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from serkit.cli.arguments import add_recordings, naming_of
from serkit.errors import check_choice
from serkit.formatting import counted

_SHOWN = 20


def add_to(commands) -> None:
    parser = commands.add_parser(
        "audit",
        help="check recordings: manifest.csv, rejected.csv, shortcuts",
        description="Reads every recording once and changes nothing. RAVDESS, TESS, SAVEE and "
        "CREMA-D are recognised by their file names, at any depth; other recordings are read by a "
        "folder per label, a CSV (path,label,speaker[,gender,sentence,intensity,repetition]) or "
        "a pattern.",
    )
    add_recordings(parser, aliases=["--labels"])
    add = parser.add_argument
    add("--out", type=Path, default=Path("runs/audit"), help="write here; default: %(default)s")
    add(
        "--reject",
        default="",
        metavar="KIND,…",
        help="reject these clips, too: clipped, stereo, sample-rate, length",
    )
    add(
        "--prosody",
        action="store_true",
        help="measure fundamental frequency, level, voiced fraction and speaking rate: prosody.csv",
    )
    add("--strict", action="store_true", help="exit with 1 if a file was rejected")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the tables and figures, and print a summary."""
    from serkit.datasets.audit import (
        NothingUsable,
        open_recordings,
        require_other_folder,
        require_own_tables,
    )
    from serkit.datasets.findings import NOTICING
    from serkit.datasets.roots import require_roots_exist
    from serkit.progress import Progress

    progress = Progress()
    naming = naming_of(options)
    reject = [kind for kind in options.reject.split(",") if kind]
    require_roots_exist(options.roots)
    for kind in reject:
        check_choice("reject", kind, NOTICING)
    # Check the output folder before the recordings are read, which may take long.
    options.out.mkdir(parents=True, exist_ok=True)
    require_own_tables(options.out)
    require_other_folder(options.out, options.roots)
    try:
        track = progress.progress_bar("reading")
        found = open_recordings(options.roots, track, naming=naming, reject=reject)
    except NothingUsable as error:
        error.audit.write(options.out)
        raise
    if options.prosody:
        from serkit.datasets.prosody import measure_corpus

        measured = measure_corpus(found.corpus, progress.progress_bar("measuring prosody"))
        found = replace(found, prosody=measured)
    found.write(options.out)
    _draw(found, options.out)
    _show(found, progress)
    for unused in _unused(naming, found.corpus):
        progress.say(f"! {unused}")
    tables = ["manifest.csv", "rejected.csv", "noticed.csv", *["prosody.csv"] * options.prosody]
    progress.say(f"\nwritten to {options.out}: {', '.join(tables)}, audit.json, figures/")
    return 1 if options.strict and found.rejected else 0


def _unused(naming, corpus) -> list[str]:
    """Return messages about given labels and speakers that no clip has, often misspelled ones."""
    labels = {clip.original_label for clip in corpus.clips}
    speakers = {clip.speaker.removeprefix(f"{clip.corpus}-") for clip in corpus.clips}
    unknown = {*naming.labels} - labels
    unused = [f"--label-names {word}=…: no clip has that label" for word in unknown]
    unused += [f"--genders {who}=…: no such speaker" for who in {*naming.genders} - speakers]
    return sorted(unused)


def _draw(found, folder: Path) -> None:
    from serkit.reporting.corpus_figures import clips_by_class, durations, prosody_by_class
    from serkit.reporting.page import write_png

    clips = found.corpus.to_frame()
    figures = {"clips": clips_by_class(clips), "durations": durations(clips)}
    if found.prosody is None:
        (folder / "figures" / "prosody.png").unlink(missing_ok=True)
    else:
        emotions = found.corpus.classes("emotion")
        figures["prosody"] = prosody_by_class(found.prosody, emotions)
    for name, figure in figures.items():
        write_png(folder / "figures" / f"{name}.png", figure)


def _show(found, progress) -> None:
    summary = found.summary
    progress.table(
        "",
        ["corpus", "clips", "official set", "speakers", "hours", "Hz"],
        [_corpus_row(name, values) for name, values in summary["corpora"].items()],
    )
    progress.class_counts_table(
        f"{counted(summary['clips'], 'clip')} of {counted(summary['speakers'], 'speaker')}",
        summary["categories"],
    )
    _show_findings("rejected", summary["rejected"], found.rejected, progress)
    _show_findings("odd, and kept", summary["noticed"], found.noticed, progress)
    if "prosody" in summary:
        _show_prosody(summary["prosody"], progress)
    for other in ("corpus", "speaker"):
        values = summary["shortcuts"][f"emotion_by_{other}"]
        progress.say(
            f"emotion by {other}: Cramér's V {values['cramers_v']:.2f} "
            f"({values['by_chance']:.2f} if they had nothing to do with each other)"
        )
    for warning in summary["warnings"]:
        progress.say(f"! {warning}")


def _corpus_row(name: str, values: Mapping) -> list[object]:
    rates = " ".join(values["sample_rates"])
    hours = f"{values['seconds'] / 3600:.2f}"
    official = values["official"] or ""
    return [name, values["clips"], official, values["speakers"], hours, rates]


def _show_findings(what: str, counts: Mapping[str, int], findings, progress) -> None:
    from serkit.datasets.findings import NOTICING, REJECTING

    if not counts:
        progress.say(f"files {what}: 0")
        return
    meaning = REJECTING | NOTICING
    rows = [(f"{kind}: {meaning[kind]}", files) for kind, files in counts.items()]
    progress.table(f"files {what}: {sum(counts.values())}", ["kind", "files"], rows)
    for finding in findings[:_SHOWN]:
        progress.say(f"  {finding.path}: {finding.reason}")
    if len(findings) > _SHOWN:
        progress.say(f"  … and {len(findings) - _SHOWN} more lines in the CSV")


def _show_prosody(found: Mapping, progress) -> None:
    for corpus in dict.fromkeys(group["corpus"] for group in found["groups"]):
        groups = [group for group in found["groups"] if group["corpus"] == corpus]
        progress.table(
            f"prosody of {corpus}: median and quartiles over clips",
            ["", "clips", "F0, Hz", "level, dB", "voiced, %", "syllables/s"],
            map(_prosody_row, groups),
        )
    for problem, clips in found["problems"].items():
        progress.say(f"! {counted(clips, 'clip')} with missing prosody: {problem}")


def _prosody_row(group: Mapping) -> list[object]:
    names = [group["gender"], group["emotion"] or "all"]
    cells = (
        _quartiles(group["f0_hz"], 0),
        _quartiles(group["level_db"], 0),
        _quartiles(group["voiced_fraction"], 0, 100),
        _quartiles(group["syllables_per_second"], 1),
    )
    return [" ".join(filter(None, names)), group["clips"], *cells]


def _quartiles(values: list[float] | None, digits: int, times: int = 1) -> str:
    if values is None:
        return "-"
    low, median, high = (f"{times * value:.{digits}f}" for value in values)
    return f"{median} ({low} to {high})"
