"""Run a whole comparison: training runs, numbers, tables and the report page."""

import functools
from pathlib import Path
from typing import Any

import tensorflow as tf

from serkit.errors import InputError, RecordingError
from serkit.files import write_json
from serkit.progress import Progress, SilentProgress
from serkit.studies.comparison_page import write_story
from serkit.studies.comparison_settings import ComparisonSettings
from serkit.studies.comparison_spectrograms import AUDIO, AudioPart, Views
from serkit.studies.engine import MANIFEST, Comparison, open_corpus
from serkit.studies.exports import write_tables
from serkit.studies.results import make_results
from serkit.studies.run_folder import Run
from serkit.tasks.graph import Engine, Task, TaskFactory


def task_factory_of(comparison: Comparison) -> TaskFactory:
    """Return the settings that an engine needs to run a comparison's tasks in other processes."""
    return TaskFactory(
        functools.partial(reopened, comparison.settings),
        comparison.out,
        comparison.cache,
        inputs=(("out", "manifest.csv"), ("out", "roots.json")),
    )


def reopened(settings: ComparisonSettings, out: Path, cache: Path, name: str) -> Task:
    """Recreate a task of a comparison.

    Args:
        settings: settings of the comparison.
        out: the run folder, with the manifest.
        cache: folder of all results, with the results that the task needs.
        name: name of the task: the path of its folder relative to ``cache``.

    Raises:
        InputError: if there is no such task.
    """
    if Path(name).parts[0] == AUDIO:
        # Spectrograms depend neither on splits nor on rare classes, so folds are not needed.
        return _find(_views(settings, out, cache), cache / name)
    return _comparison(settings, out, cache).task_at(name)


def _find(views: Views, place: Path) -> AudioPart:
    for part in views.parts(views):
        if part.place == place:
            return part
    raise InputError(f"`name` must be spectrograms of this comparison. Received: {place.name}.")


@functools.lru_cache(maxsize=1)
def _views(settings: ComparisonSettings, out: Path, cache: Path) -> Views:
    # As :class:`serkit.studies.engine.Comparison` does.
    tf.config.experimental.enable_op_determinism()
    return Views(settings, open_corpus(settings, out, SilentProgress()), cache)


@functools.lru_cache(maxsize=1)
def _comparison(settings: ComparisonSettings, out: Path, cache: Path) -> Comparison:
    return Comparison(settings, out, cache, SilentProgress())


# A later call in the same run folder may change these settings: training runs do not depend on each
# other, and each call computes the results anew.
_MAY_CHANGE = ("arms", "classifiers", "protocol", "seeds", "more_seeds", "best")


def compare(
    settings: ComparisonSettings,
    out: Path,
    cache: Path | None = None,
    progress: Progress | None = None,
    engine: Engine | None = None,
) -> dict[str, Any]:
    """Run a comparison of arms, or resume it, and write its results.

    If a call is killed, a second call resumes it and gives the same results.

    Args:
        settings: settings of the comparison. A second call may have other arms, classifiers,
            protocols and seeds. Finished training runs are not repeated.
        out: run folder; gets ``comparison.json``, ``report.html``, ``figures/`` and ``tables/``.
        cache: folder of spectrograms, GANs and training runs, which are identified by hashes of
            their inputs. Comparisons may share this folder if they run one after the other.
            Default: in the run folder.
        progress: reports progress to the user.
        engine: scheduler that runs the tasks; default: this process runs them.

    Returns:
        Content of ``comparison.json``, see :func:`serkit.studies.results.make_results`.

    Raises:
        SerkitError: for recordings or settings that do not work; the message says why.
        LeakError: if a model would be fitted on validation or test speakers.

    Example:
        .. code-block:: python

            arms = "none", "oversampling"
            settings = serkit.ComparisonSettings(roots=("recordings",), arms=arms)
            results = serkit.compare(settings, pathlib.Path("runs/first"))
    """
    with Run(out, fixed(settings)) as run:
        return compare_in(run, settings, cache, progress or Progress(), engine)[1]


def compare_in(
    run: Run,
    settings: ComparisonSettings,
    cache: Path | None,
    progress: Progress,
    engine: Engine | None = None,
) -> tuple[Comparison, dict[str, Any]]:
    """Run a comparison in an open run folder, see :func:`compare`.

    Returns:
        The comparison, and the content of ``comparison.json``.
    """
    out = run.folder
    with progress.stage("recordings and splits"):
        if run.is_new:
            # A call that failed before any work may have left a manifest of other recordings.
            (out / MANIFEST).unlink(missing_ok=True)
        comparison = Comparison(settings, out, cache, progress)
    run.begin_work()
    with progress.stage("spectrograms and training runs"):
        try:
            comparison.run(engine, task_factory_of(comparison))
        except RecordingError:
            # The user corrects the recordings, so the next call has to audit them again.
            (out / MANIFEST).unlink(missing_ok=True)
            raise
    with progress.stage("results"):
        results = make_results(comparison)
        write_json(out / "comparison.json", results)
        write_tables(results, out / "tables")
        for line in verdicts(results):
            progress.say(f"   {line}")
    with progress.stage("report"):
        write_story(out / "report.html", comparison, results)
    progress.say(f"\nreport: {out / 'report.html'}\nnumbers: {out / 'comparison.json'}")
    return comparison, results


def fixed(settings: ComparisonSettings) -> dict[str, Any]:
    """Return the settings that later calls in the same run folder must keep, as JSON values."""
    return {name: value for name, value in settings.to_json().items() if name not in _MAY_CHANGE}


def verdicts(results: dict[str, Any]) -> list[str]:
    """Return a verdict, one sentence, for each protocol, classifier and arm except ``none``."""
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
