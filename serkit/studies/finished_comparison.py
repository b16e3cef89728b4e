"""Open a finished comparison or demo, and return the networks of one arm for an export."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from serkit.augmentation.arms import DCGAN, NONE, Arm
from serkit.datasets.feature_table import FeatureTable
from serkit.errors import DamagedFileError, InputError, check_choice
from serkit.files import read_json_object
from serkit.serialization import restored
from serkit.studies.classifier_runs import ClassifierRun
from serkit.studies.comparison import open_run_folder
from serkit.studies.comparison_settings import ComparisonSettings
from serkit.studies.deployment import ClassifierToExport
from serkit.studies.engine import Comparison
from serkit.studies.folds import Fold
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
        DamagedFileError: if ``comparison.json`` or ``settings.json`` cannot be read.
        InputError: if the folder holds no finished comparison.
    """
    try:
        results = read_json_object(folder / "comparison.json", settings=dict)
        # comparison.json has the last arms, classifiers and seeds; settings.json has the folders of
        # the recordings.
        fixed = read_json_object(folder / "settings.json", roots=list)
    except OSError as error:
        raise InputError(
            f"{folder} is no finished run of serkit demo or serkit compare ({error}); valid is "
            "the folder that it was given as --out"
        ) from error
    values = fixed | results["settings"] | {"roots": fixed["roots"]}
    # The key of an entry, not its values, says of which class the settings are.
    tuned = {
        kind: restored(SETTINGS[kind], settings)
        for kind, settings in values.get("tuned", {}).items()
    }
    return replace(restored(ComparisonSettings, values | {"tuned": {}}), tuned=tuned), results


def open_classifier_to_export(
    folder: Path,
    arm: str | None = None,
    classifier: str | None = None,
    fold: int = 1,
    *,
    cache: Path | None = None,
) -> ClassifierToExport:
    """Open a run folder, and return an arm's networks on a fold, see :func:`classifier_to_export`.

    ``serkit demo`` saves its networks. ``serkit compare`` saves only their predictions. Then the
    networks are trained again and saved; the same clips and seeds give the same networks.

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
    with open_run_folder(folder, settings) as run:
        comparison = Comparison(replace(settings, keep_models=True), run.folder, cache)
        return classifier_to_export(comparison, results, arm, classifier, fold)


def classifier_to_export(
    comparison: Comparison,
    results: Mapping[str, Any],
    arm: str | None = None,
    classifier: str | None = None,
    fold: int = 1,
) -> ClassifierToExport:
    """Return an arm's networks on a fold, one for each seed of the arm's training runs.

    Of a linear classifier, which is the same for every seed, there is one.

    Missing networks are trained.

    Args:
        comparison: a comparison that was run, with ``keep_models`` in its settings.
        results: from :func:`serkit.studies.results.make_results`.
        arm: name of an arm, or a key of :data:`DEMO_ARMS`; None for the arm with the highest UAR on
            the validation speakers.
        classifier: name of a classifier; None for the first classifier of the comparison.
        fold: number of the fold whose training partition is used.

    Raises:
        DamagedFileError: if ``results`` have no arms of the classifier.
        InputError: if there is no such arm, classifier or fold, or a training run failed.
    """
    settings = comparison.settings
    protocol = settings.protocols[0]
    classifier = settings.classifiers[0] if classifier is None else classifier
    check_choice("classifier", classifier, settings.classifiers)
    try:
        arms = results["protocols"][protocol]["classifiers"][classifier]["arms"]
        if arm is None:
            arm = max(arms, key=lambda name: float(arms[name]["validation_uar"]))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise DamagedFileError(
            comparison.out / "comparison.json",
            f"it has no results of {classifier}: {error!r}",
            "give the command that made the run again",
        ) from error
    arm = DEMO_ARMS.get(arm, arm)
    check_choice("arm", arm, [*arms, *(name for name, real in DEMO_ARMS.items() if real in arms)])
    arm_of_comparison = next(candidate for candidate in comparison.arms if candidate.name == arm)
    folds = {item.number: item for item in comparison.folds if item.protocol == protocol}
    check_choice("fold", str(fold), [str(number) for number in folds])
    if settings.speaker_normalization:
        raise InputError(
            "`speaker_normalization` must be false for an export: a model gets one recording at a "
            "time, and not all of a speaker's. Received: True."
        )
    inputs = comparison.inputs_of(classifier)
    if isinstance(inputs.inputs, FeatureTable):
        raise InputError(
            "`classifier` must be another than features: an exported model takes recordings, and "
            "nothing computes your features from one."
        )
    runs = _trained_runs(comparison, folds[fold], classifier, arm_of_comparison, arms[arm]["seeds"])
    partitions = runs[0].data.fold.partitions
    metadata = {
        "run": comparison.out.resolve().name,
        "arm": arm,
        "protocol": f"{protocol}, {partitions.split.detail or 'one split'}",
        "leaky": partitions.split.leaky,
        "comparison": _comparison_metadata(settings, arm_of_comparison, classifier, arms[arm]),
    }
    return ClassifierToExport(
        # A linear classifier is the same for every seed.
        files=list(dict.fromkeys(run.model_file for run in runs)),
        spec=inputs.inputs,
        partitions=partitions,
        metadata=metadata,
        generated=runs[0].data.added().generated,
        seed=settings.seed,
    )


def _trained_runs(
    comparison: Comparison, fold: Fold, classifier: str, arm: Arm, seeds: list[int]
) -> list[ClassifierRun]:
    """Train the networks that are not saved, and return the training runs of all seeds."""
    tasks = list(comparison.tasks(fold, arm, [classifier], seeds))
    progress = comparison.progress
    LocalEngine().run(TaskGraph(tasks), None, progress.say, progress.verbose)
    runs = [comparison.classifier_run(fold, classifier, arm, seed) for seed in seeds]
    for run in runs:
        if not run.is_done:
            raise InputError(f"{run.title} cannot be trained: {run.failure}")
    return runs


def _comparison_metadata(
    settings: ComparisonSettings, arm: Arm, classifier: str, results: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "classifier": classifier,
        "meaning": arm.description,
        "everywhere": list(settings.everywhere),
        "trainings": results["trainings"],
        "speakers": len(results["uar_of_speakers"]),
        "uar": results["uar"],
        "verdict": None if arm.name == NONE else results["difference"]["verdict"],
    }
