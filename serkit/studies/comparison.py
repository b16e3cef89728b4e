"""Run a whole comparison: training runs, numbers, tables and the report page."""

import math
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from serkit.files import write_json
from serkit.models.pretrained import load_base, speakers_of
from serkit.progress import Progress
from serkit.studies.comparison_inputs import MANIFEST
from serkit.studies.comparison_page import write_comparison_report
from serkit.studies.comparison_settings import ComparisonSettings
from serkit.studies.cost import cost_table, estimate_cost, unfinished_runs
from serkit.studies.engine import Comparison
from serkit.studies.exports import write_tables
from serkit.studies.network_runs import NetworkRun
from serkit.studies.results import describe_short_run, make_results
from serkit.studies.run_folder import RunFolder
from serkit.tasks.graph import Engine

# A later call in the same run folder may change these settings: each training run has a key of its
# own, which depends on them, and each call computes the results anew.
_CHANGEABLE_SETTINGS = (
    "arms",
    "classifiers",
    "features",
    "weights",
    "protocol",
    "seeds",
    "more_seeds",
    "best",
    "short",
)


def compare(
    settings: ComparisonSettings,
    out: Path,
    cache: Path | None = None,
    progress: Progress | None = None,
    engine: Engine | None = None,
    *,
    command: str = "",
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
        engine: scheduler that runs the tasks; default: one task after the other in this process.
        command: the command that the report page names as the one to repeat; default: none.

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
    with open_run_folder(out, settings) as run:
        progress = progress or Progress()
        comparison, results = compare_in(run, settings, cache, progress, engine)
        with progress.stage("report"):
            write_comparison_report(out / "report.html", comparison, results, command=command)
        progress.say(f"\nreport: {out / 'report.html'}\nnumbers: {out / 'comparison.json'}")
        return results


def compare_in(
    run: RunFolder,
    settings: ComparisonSettings,
    cache: Path | None,
    progress: Progress,
    engine: Engine | None = None,
) -> tuple[Comparison, dict[str, Any]]:
    """Run a comparison in an open run folder, see :func:`compare`, without the report page.

    Returns:
        The comparison, and the content of ``comparison.json``.
    """
    out = run.folder
    with progress.stage("recordings and splits"):
        comparison = open_comparison(run, settings, cache, progress)
    with progress.stage("spectrograms and training runs"):
        comparison.run(engine)
    with progress.stage("results"):
        results = make_results(comparison)
        write_json(out / "comparison.json", results)
        write_tables(results, out / "tables")
        for sentence in verdicts(results):
            progress.say(f"   {sentence}")
    return comparison, results


def open_comparison(
    run: RunFolder,
    settings: ComparisonSettings,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Audit the recordings, check the initial weights, and begin the work of an open run folder.

    Args:
        run: the open run folder. Later calls must have the same settings once this function
            returns.
        settings: settings of the comparison.
        cache: as for :func:`compare`.
        progress: reports progress to the user.

    Raises:
        SerkitError: for recordings or settings that do not work; the message says why.
    """
    if run.is_new:
        # An earlier call that failed before any work may have left a manifest of other recordings.
        (run.folder / MANIFEST).unlink(missing_ok=True)
    comparison = Comparison(settings, run.folder, cache, progress)
    if settings.short:
        comparison.progress.say(f"! {describe_short_run(comparison)}")
    _require_weights(comparison)
    run.begin_work()
    return comparison


def _require_weights(comparison: Comparison) -> None:
    """Load encoders, and the initial weights of unfinished runs, once; download missing ones.

    So errors occur before any work, and not when the first training run needs the weights.
    """
    settings, weights = comparison.settings, comparison.settings.weights
    for classifier in settings.classifiers:
        comparison.inputs_of(classifier)
    if weights == "none":
        return
    bases = {}
    for run in unfinished_runs(comparison):
        if isinstance(run, NetworkRun):
            base = settings.network_kind(run.classifier).base
            if base:
                bases[base.name] = base
                run.data.fold.split.speakers.require_training(speakers_of(weights))
    for base in bases.values():
        load_base(base, weights, settings.seed)


def open_run_folder(folder: Path, settings: ComparisonSettings) -> RunFolder:
    """Open the run folder of a comparison or demo; some settings may differ from earlier calls.

    Raises:
        ResumeError: as for :class:`serkit.studies.run_folder.RunFolder`.
    """
    return RunFolder(folder, settings.to_json(), _CHANGEABLE_SETTINGS)


def print_estimate(
    settings: ComparisonSettings, out: Path, cache: Path | None, progress: Progress
) -> None:
    """Print what a comparison has left to train, and estimates of time and disk.

    Nothing is trained, and a new run folder is not made.

    Args:
        settings: settings of the comparison.
        out: run folder, which may have finished training runs.
        cache: as for :func:`compare`.
        progress: reports progress to the user.

    Raises:
        SerkitError: for recordings or settings that do not work; the message says why.
    """
    with ExitStack() as stack:
        if not (out / "settings.json").exists():
            out = Path(stack.enter_context(TemporaryDirectory()))
        run = stack.enter_context(open_run_folder(out, settings))
        comparison = Comparison(settings, run.folder, cache, progress)
        progress.say(cost_table(estimate_cost(comparison, say=progress.say)))
        clips, values = len(comparison.corpus), math.prod(settings.spec.shape)
        # Stored as float16.
        progress.say(f"spectrograms: {2 * clips * values / 1e6:.0f} MB, once in each cache")


def verdicts(results: dict[str, Any]) -> list[str]:
    """Return a verdict, one sentence, for each protocol, classifier and arm except ``none``.

    With several classifiers, the verdicts on their differences come first.
    """
    protocols, classifiers = results["protocols"], results["settings"]["classifiers"]
    is_prefixed = len(protocols) > 1 or len(classifiers) > 1
    sentences = []
    for protocol, protocol_results in protocols.items():
        sentences += [
            f"{protocol}, {row['verdict']}"
            for row in protocol_results.get("between_classifiers", ())
        ]
        for classifier, classifier_results in protocol_results["classifiers"].items():
            prefix = f"{protocol}, {classifier}: " if is_prefixed else ""
            sentences += [
                prefix + arm["difference"]["verdict"]
                for arm in classifier_results["arms"].values()
                if "difference" in arm
            ]
    return sentences
