"""``serkit runs``: list runs with their main numbers."""

import argparse
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from serkit.errors import InputError, SerkitError
from serkit.files import read_json_object
from serkit.formatting import counted


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
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print name, command, time and numbers of each run."""
    from serkit.progress import Progress

    if not options.folder.is_dir():
        raise InputError(f"DIR must be a folder. Received: {options.folder}.")
    rows = sorted(_runs(options.folder), key=lambda row: row[0])
    if not rows:
        raise InputError(f"DIR must be a folder with runs. Received: {options.folder}, with none.")
    progress = Progress()
    for seconds, name, kind, text in rows:
        changed = time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
        progress.say(f"{name}  ({f'{kind}, ' if kind else ''}{changed})")
        for line in text.splitlines():
            progress.say(f"   {line}")
    return 0


def _runs(folder: Path) -> Iterator[tuple[float, str, str, str]]:
    """Yield time of the last change, path, command and numbers of each run."""
    for path in sorted({file.parent for name in _READERS for file in folder.rglob(name)}):
        # What a run keeps of its parts is no run of its own.
        if any((parent / "settings.json").exists() for parent in path.parents):
            continue
        name = next(name for name in _READERS if (path / name).exists())
        kind, read = _READERS[name]
        try:
            text = read(read_json_object(path / name))
        except (SerkitError, KeyError, TypeError, AttributeError):
            text = f"{name} is damaged"
        if kind == "compare" and (path / "metrics.json").exists():
            kind = "demo"
        seconds = (path / name).stat().st_mtime
        name = folder.resolve().name if path == folder else str(path.relative_to(folder))
        yield seconds, name, kind, text


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
    parts = []
    for protocol, of_protocol in results["protocols"].items():
        for classifier, of_classifier in of_protocol["classifiers"].items():
            uars = {name: arm["uar"] for name, arm in of_classifier["arms"].items()}
            others = [name for name in uars if name != "none"]
            best = sorted(others, key=lambda name: uars[name]["value"])[-1:]
            shown = [f"{name} {_per_cent(uars[name])}" for name in ("none", *best)]
            leaky = ", LEAKY" if of_protocol["leaky"] else ""
            parts.append(f"{classifier} ({protocol}{leaky}), UAR: {'; best other: '.join(shown)}")
    return "\n".join(parts)


def _describe_training(metrics: Mapping[str, Any]) -> str:
    group = metrics["test"]["groups"][0]
    return f"UAR {_per_cent(group['measures']['uar'])}, {counted(group['clips'], 'clip')}"


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

# Command and description by the file that has its results, the most specific file first.
_READERS: dict[str, tuple[str, Callable[[Mapping[str, Any]], str]]] = {
    "evaluation.json": ("evaluate", _describe_evaluation),
    "best.json": ("tune", _describe_search),
    "comparison.json": ("compare", _describe_comparison),
    "metrics.json": ("train", _describe_training),
    "settings.json": ("", lambda settings: _NO_RESULTS),
    "audit.json": ("audit", _describe_audit),
}
