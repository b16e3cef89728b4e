"""The whole comparison: trainings, numbers, tables and the report page."""

from pathlib import Path
from typing import Any

from serkit.comparison.engine import Comparison
from serkit.comparison.exports import write_tables
from serkit.comparison.recordings import MANIFEST
from serkit.comparison.reopening import workshop_of
from serkit.comparison.results import make_results
from serkit.comparison.settings import CompareSettings
from serkit.comparison.story import write_story
from serkit.files import write_json
from serkit.grid.engine import Engine
from serkit.progress import Progress
from serkit.runs import Run

# What may grow in a folder: all of it is trained by itself and put together anew.
_MAY_CHANGE = ("arms", "classifiers", "protocol", "seeds", "more_seeds", "best")


def compare(
    settings: CompareSettings,
    out: Path,
    cache: Path | None = None,
    progress: Progress | None = None,
    engine: Engine | None = None,
) -> dict[str, Any]:
    """Compare arms; a second call goes on where the first was killed, and ends with the same.

    Args:
        settings: what is compared. Arms, classifiers, protocols and seeds may be others in a second
            call: what was trained before is not trained again.
        out: run folder; gets ``comparison.json``, ``report.html``, ``figures/`` and ``tables/``.
        cache: folder of spectrograms, GANs and trainings, known by what they were made of, which
            comparisons may share, one after the other; default: in the run folder.
        progress: says what is being done.
        engine: who trains; default: this process.

    Returns:
        What ``comparison.json`` holds, see :func:`serkit.comparison.results.make_results`.

    Raises:
        SerkitError: for recordings or settings that do not work; the message says why.
        LeakError: if anything would be fitted on somebody who is validated or tested with.
    """
    progress = progress or Progress()
    with Run(out, fixed(settings)) as run:
        with progress.stage("recordings and splits"):
            if run.is_new:
                # Of a call that failed before any work; its recordings may have been others.
                (out / MANIFEST).unlink(missing_ok=True)
            comparison = Comparison(settings, run.folder, cache, progress)
        run.begin_work()
        with progress.stage("spectrograms and trainings"):
            comparison.run(engine, workshop_of(comparison))
        with progress.stage("results"):
            results = make_results(comparison)
            write_json(out / "comparison.json", results)
            write_tables(results, out / "tables")
            for line in verdicts(results):
                progress.say(f"   {line}")
        with progress.stage("report"):
            write_story(out / "report.html", comparison, results)
        progress.say(f"\nreport: {out / 'report.html'}\nnumbers: {out / 'comparison.json'}")
    return results


def fixed(settings: CompareSettings) -> dict[str, Any]:
    """What of a comparison's settings has to stay as it is in its run folder, as JSON values."""
    return {name: value for name, value in settings.to_json().items() if name not in _MAY_CHANGE}


def verdicts(results: dict[str, Any]) -> list[str]:
    """A sentence for each protocol, classifier and arm."""
    several = len(results["protocols"]) > 1 or len(results["settings"]["classifiers"]) > 1
    return [
        f"{protocol}, {classifier}: {arm['difference']['verdict']}"
        if several
        else arm["difference"]["verdict"]
        for protocol, found in results["protocols"].items()
        for classifier, arms in found["classifiers"].items()
        for arm in arms["arms"].values()
        if "difference" in arm
    ]
