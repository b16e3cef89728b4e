"""Open a finished comparison or demo for the networks of one arm."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from serkit.augmentation.arms import DCGAN, NONE, Arm
from serkit.errors import InputError, check_choice
from serkit.files import read_json
from serkit.serialization import restored
from serkit.studies.classifier_runs import ClassifierRun
from serkit.studies.comparison import fixed_settings
from serkit.studies.comparison_settings import ComparisonSettings
from serkit.studies.deployment import ClassifierToExport
from serkit.studies.engine import Comparison
from serkit.studies.folds import Fold
from serkit.studies.run_folder import RunFolder
from serkit.studies.search_spaces import SETTINGS
from serkit.tasks.graph import LocalEngine, TaskGraph

DEMO_ARMS = {"original": NONE, "augmented": DCGAN}
"""Names of the demo's arms in ``metrics.json``, and of the same arms in the comparison."""


def read_finished(folder: Path) -> tuple[ComparisonSettings, dict[str, Any]]:
    """Read settings and results of a finished comparison or demo.

    Args:
        folder: the run folder.

    Returns:
        The settings, and the content of ``comparison.json``.

    Raises:
        InputError: if the folder holds no finished comparison.
    """
    try:
        results: dict[str, Any] = read_json(folder / "comparison.json")
        # comparison.json has the last arms, classifiers and seeds; settings.json has the folders of
        # the recordings.
        values = results["settings"] | read_json(folder / "settings.json")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{folder} is no finished run of serkit demo or serkit compare ({error}); valid is "
            "the folder that it was given as --out"
        ) from error
    # The class of the settings follows from their kind, not from their values.
    tuned = {kind: restored(SETTINGS[kind], one) for kind, one in values.get("tuned", {}).items()}
    return replace(restored(ComparisonSettings, values | {"tuned": {}}), tuned=tuned), results


def open_classifier_to_export(
    folder: Path,
    arm: str | None = None,
    classifier: str | None = None,
    fold: int = 1,
    *,
    cache: Path | None = None,
) -> ClassifierToExport:
    """Return an arm's networks on a fold; train those that were not saved, and save them.

    ``serkit compare`` saves the predictions of its networks, but not the networks. The same clips
    and seeds give the same networks again. ``serkit demo`` saves them.

    Args:
        folder: run folder of a finished comparison or demo.
        arm: as for :func:`classifier_to_export`.
        classifier: as for :func:`classifier_to_export`.
        fold: as for :func:`classifier_to_export`.
        cache: folder of spectrograms, GANs and training runs; default: in the run folder. Missing
            results are computed again.

    Raises:
        InputError: if the folder holds no finished comparison, there is no such arm, classifier or
            fold, or a training run failed.
        ResumeError: if another process uses the folder.
    """
    settings, results = read_finished(folder)
    with RunFolder(folder, fixed_settings(settings)) as run:
        comparison = Comparison(replace(settings, keep_models=True), run.folder, cache)
        return classifier_to_export(comparison, results, arm, classifier, fold)


def classifier_to_export(
    comparison: Comparison,
    results: Mapping[str, Any],
    arm: str | None = None,
    classifier: str | None = None,
    fold: int = 1,
) -> ClassifierToExport:
    """Return an arm's networks on a fold for an export: one for each seed that it was trained with.

    Networks that are missing are trained.

    Args:
        comparison: a comparison that was run, whose settings keep the networks.
        results: from :func:`serkit.studies.results.make_results`.
        arm: name of an arm, also as in :data:`DEMO_ARMS`; None for the arm with the highest UAR on
            the validation speakers.
        classifier: name of a classifier; None for the first classifier of the comparison.
        fold: number of the fold whose training partition is used.

    Raises:
        InputError: if there is no such arm, classifier or fold, or a training run failed.
    """
    settings = comparison.settings
    protocol = settings.protocols[0]
    classifier = settings.classifiers[0] if classifier is None else classifier
    check_choice("classifier", classifier, settings.classifiers)
    arms = results["protocols"][protocol]["classifiers"][classifier]["arms"]
    if arm is None:
        arm = max(arms, key=lambda name: arms[name]["validation_uar"])
    arm = DEMO_ARMS.get(arm, arm)
    check_choice("arm", arm, arms)
    chosen = next(one for one in comparison.arms if one.name == arm)
    folds = {one.number: one for one in comparison.folds if one.protocol == protocol}
    check_choice("fold", str(fold), [str(number) for number in folds])
    trained = _train(comparison, folds[fold], classifier, chosen, arms[arm]["seeds"])
    parts = folds[fold].parts
    known = {
        "run": comparison.out.resolve().name,
        "arm": arm,
        "protocol": f"{protocol}, {parts.split.detail or 'one split'}",
        "leaky": parts.split.leaky,
        "comparison": _of_comparison(settings, chosen, classifier, arms[arm]),
    }
    files = [one.model_file for one in trained]
    generated = trained[0].data.added().generated
    return ClassifierToExport(files, settings.spec, parts, known, generated, settings.seed)


def _train(
    comparison: Comparison, fold: Fold, classifier: str, arm: Arm, seeds: list[int]
) -> list[ClassifierRun]:
    tasks = list(comparison.tasks(fold, arm, [classifier], seeds))
    progress = comparison.progress
    LocalEngine().run(TaskGraph(tasks), None, progress.say, progress.verbose)
    trained = [comparison.classifier_run(fold, classifier, arm, seed) for seed in seeds]
    for one in trained:
        if not one.is_done:
            raise InputError(f"{one.title} cannot be trained: {one.failure}")
    return trained


def _of_comparison(
    settings: ComparisonSettings, arm: Arm, classifier: str, found: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "classifier": classifier,
        "meaning": arm.meaning,
        "everywhere": list(settings.everywhere),
        "trainings": found["trainings"],
        "speakers": len(found["uar_of_speakers"]),
        "uar": found["uar"],
        "verdict": None if arm.name == NONE else found["difference"]["verdict"],
    }
