"""``serkit runs``: list runs with their main numbers."""

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serkit.errors import InputError, SerkitError
from serkit.files import read_json_object
from serkit.formatting import counted


@dataclass(frozen=True, eq=False)
class _Run:
    """A run folder: time of its last change, name, command, content of its file of results."""

    seconds: float
    name: str
    kind: str
    folder: Path
    results: Mapping[str, Any]
    numbers: str

    @property
    def changed(self) -> str:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(self.seconds))


def add_to(commands) -> None:
    parser = commands.add_parser(
        "runs",
        help="list runs with their main numbers",
        description="Lists the run folders of audit, train, evaluate, compare, demo and tune in "
        "DIR and below, the newest last.",
    )
    parser.add_argument(
        "folder",
        type=Path,
        nargs="?",
        default=Path("runs"),
        metavar="DIR",
        help="search this folder; default: %(default)s",
    )
    parser.add_argument(
        "--page",
        type=Path,
        metavar="FILE.html",
        help="also write the list as a page with the result of each run in words, and links to "
        "the runs' own pages; default: none",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print name, command, time and numbers of each run."""
    from serkit.progress import Progress

    if not options.folder.is_dir():
        raise InputError(f"DIR must be a folder. Received: {options.folder}.")
    runs = sorted(_runs(options.folder), key=lambda found: found.seconds)
    if not runs:
        raise InputError(f"DIR must be a folder with runs. Received: {options.folder}, with none.")
    if options.page is not None:
        _write_page(options.page, options.folder, runs)
    progress = Progress()
    for found in runs:
        kind = f"{found.kind}, " if found.kind else ""
        progress.say(f"{found.name}  ({kind}{found.changed})")
        for line in found.numbers.splitlines():
            progress.say(f"   {line}")
    if options.page is not None:
        progress.say(f"\npage: {options.page}")
    return 0


def _runs(folder: Path) -> Iterator[_Run]:
    """Yield each run in a folder and below."""
    for path in sorted({file.parent for name in _READERS for file in folder.rglob(name)}):
        # What a run keeps of its parts is no run of its own.
        if any((parent / "settings.json").exists() for parent in path.parents):
            continue
        name = next(name for name in _READERS if (path / name).exists())
        kind, read, _ = _READERS[name]
        results: Mapping[str, Any] = {}
        try:
            results = read_json_object(path / name)
            numbers = read(results)
        except (SerkitError, KeyError, TypeError, AttributeError):
            numbers = f"{name} is damaged"
        if kind == "compare" and (path / "metrics.json").exists():
            kind = "demo"
        seconds = (path / name).stat().st_mtime
        shown = folder.resolve().name if path == folder else str(path.relative_to(folder))
        yield _Run(seconds, shown, kind, path, results, numbers)


def _write_page(page: Path, folder: Path, runs: Sequence[_Run]) -> None:
    """Write the list of runs as a report page.

    Raises:
        InputError: if the name of the page is not valid, or the page is that of a run.
    """
    from serkit.reporting.page import Section, Table, link_to, write_report

    if page.suffix != ".html" or page.is_dir():
        raise InputError(f"`--page` must be a file whose name ends with .html. Received: {page}.")
    pages = {found: found.folder / "report.html" for found in runs}
    if page.resolve() in {own.resolve() for own in pages.values()}:
        raise InputError(f"`--page` must be another file than the page of a run. Received: {page}.")
    rows = [
        [
            link_to(own, page, found.name) if own.exists() else found.name,
            _takeaway(found),
            found.numbers.replace("\n", "; "),
            found.kind,
            found.changed,
        ]
        for found, own in pages.items()
    ]
    table = Table(["run", "result", "numbers", "command", "last change"], rows, words=True)
    name = folder.resolve().name
    summary = f"{counted(len(runs), 'run')} in {name}, the newest last."
    write_report(page, f"Runs in {name}", summary, [], [Section("Results", tables=[table])])


def _takeaway(found: _Run) -> str:
    """Return the result of a run in words; empty if it has none, or lacks numbers."""
    takeaways = {kind: takeaway for kind, _, takeaway in _READERS.values()}
    try:
        return takeaways["compare" if found.kind == "demo" else found.kind](found.results)
    except (LookupError, TypeError, AttributeError, ValueError):
        return ""


def _evaluation_takeaway(results: Mapping[str, Any]) -> str:
    from serkit.studies.evaluation_report import takeaway

    return takeaway(results)


def _comparison_takeaway(results: Mapping[str, Any]) -> str:
    from serkit.reporting.verdicts import takeaway

    return takeaway(results)


def _audit_takeaway(summary: Mapping[str, Any]) -> str:
    from serkit.reporting.audit_page import takeaway

    return takeaway(summary)


def _training_takeaway(metrics: Mapping[str, Any]) -> str:
    group, classes = metrics["test"]["groups"][0], len(metrics["classes"])
    return (
        f"On unseen speakers, the mean recall over the {classes} classes (UAR) is "
        f"{_per_cent(group['measures']['uar'])}; guessing gives {100 / classes:.1f} %."
    )


def _search_takeaway(best: Mapping[str, Any]) -> str:
    score = best["score"]
    found = "no better settings" if score["value"] == score["as it was"] else "other settings"
    return f"The search found {found}, by {score['name']} on held-out training speakers."


def _describe_evaluation(results: Mapping[str, Any]) -> str:
    clips = counted(results["clips"], "clip")
    return f"{results['model']} on {clips}: UAR {_per_cent(results['uar'])}"


def _describe_search(best: Mapping[str, Any]) -> str:
    score = best["score"]
    return (
        f"{score['name']} {score['value']:.4g} (as it was: {score['as it was']:.4g}), "
        f"{counted(best['trials'], 'trial')}"
    )


def _describe_comparison(results: Mapping[str, Any]) -> str:
    """Return the UAR without augmentation and of the best arm, for each protocol and classifier."""
    from serkit.reporting.verdicts import mark_of

    parts = []
    for protocol, of_protocol in results["protocols"].items():
        for classifier, of_classifier in of_protocol["classifiers"].items():
            uars = {name: arm["uar"] for name, arm in of_classifier["arms"].items()}
            others = [name for name in uars if name != "none"]
            best = sorted(others, key=lambda name: uars[name]["value"])[-1:]
            shown = [f"{name} {_per_cent(uars[name])}" for name in ("none", *best)]
            kind = ", ".join(filter(None, (protocol, mark_of(of_protocol))))
            parts.append(f"{classifier} ({kind}), UAR: {'; best other: '.join(shown)}")
    return "\n".join(parts)


def _describe_training(metrics: Mapping[str, Any]) -> str:
    from serkit.reporting.verdicts import mark_of

    group = metrics["test"]["groups"][0]
    name = ", ".join(filter(None, (mark_of(metrics), "UAR")))
    return f"{name} {_per_cent(group['measures']['uar'])}, {counted(group['clips'], 'clip')}"


def _describe_audit(summary: Mapping[str, Any]) -> str:
    rejected = sum(summary["rejected"].values())
    return (
        f"{counted(summary['clips'], 'clip')} of {counted(summary['speakers'], 'speaker')}, "
        f"{rejected} rejected"
    )


def _per_cent(measure: dict[str, float | None]) -> str:
    from serkit.studies.exports import format_interval

    return f"{format_interval(measure)} %"


_NO_RESULTS = "no results yet: an experiment, or stopped; the same command resumes"

_Describe = Callable[[Mapping[str, Any]], str]
# Command, its numbers and its result in words by the file that has its results, the most specific
# file first.
_READERS: dict[str, tuple[str, _Describe, _Describe]] = {
    "evaluation.json": ("evaluate", _describe_evaluation, _evaluation_takeaway),
    "best.json": ("tune", _describe_search, _search_takeaway),
    "comparison.json": ("compare", _describe_comparison, _comparison_takeaway),
    "metrics.json": ("train", _describe_training, _training_takeaway),
    "settings.json": ("", lambda settings: _NO_RESULTS, lambda settings: ""),
    "audit.json": ("audit", _describe_audit, _audit_takeaway),
}
