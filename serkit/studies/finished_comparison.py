"""Open a finished comparison or demo for the networks of one arm."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from serkit.augmentation.arms import DCGAN, NONE, Arm
from serkit.errors import InputError, check_choice
from serkit.files import read_json
from serkit.progress import Progress
from serkit.serialization import restored
from serkit.studies.classifier_runs import ClassifierRun
from serkit.studies.comparison import fixed
from serkit.studies.comparison_settings import ComparisonSettings
from serkit.studies.deployment import ClassifierToExport
from serkit.studies.engine import Comparison
from serkit.studies.folds import Fold
from serkit.studies.run_folder import Run
from serkit.studies.search_spaces import SETTINGS
from serkit.tasks.graph import LocalEngine, TaskGraph

DEMO_ARMS = {"original": NONE, "augmented": DCGAN}
"""Names of the demo's arms in ``metrics.json``, and of the same arms in the comparison."""


class FinishedComparison:
    """Results of a finished :func:`serkit.studies.comparison.compare` or of the demo.

    Args:
        folder: the run folder.
        cache: folder of spectrograms, GANs and training runs; default: in the run folder. Missing
            results are computed again.
        progress: reports progress to the user.

    Attributes:
        settings: settings of the comparison.
        results: content of ``comparison.json``.

    Raises:
        InputError: if the folder holds no finished comparison.
    """

    def __init__(
        self, folder: Path, cache: Path | None = None, progress: Progress | None = None
    ) -> None:
        self.folder: Path = folder
        self.cache: Path | None = cache
        self.progress: Progress = progress or Progress()
        try:
            self.results: dict[str, Any] = read_json(folder / "comparison.json")
            # comparison.json has the last arms, classifiers and seeds; settings.json has
            # the folders of the recordings.
            values = self.results["settings"] | read_json(folder / "settings.json")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{folder} is no finished run of serkit demo or serkit compare ({error}); valid is "
                "the folder that it was given as --out"
            ) from error
        self.settings: ComparisonSettings = _settings(values)

    def keep(
        self, arm: str | None = None, classifier: str | None = None, fold: int = 1
    ) -> ClassifierToExport:
        """Return an arm's networks on a fold; train those that were not saved, and save them.

        ``serkit compare`` saves the predictions of its networks, but not the networks. The same
        clips and seeds give the same networks again. ``serkit demo`` saves them.

        Args: as for :func:`networks_of`.

        Raises:
            InputError: if there is no such arm, classifier or fold, or a training run failed.
            ResumeError: if another process uses the folder.
        """
        with Run(self.folder, fixed(self.settings)) as run:
            kept = replace(self.settings, keep_models=True)
            comparison = Comparison(kept, run.folder, self.cache, self.progress)
            return networks_of(comparison, self.results, arm, classifier, fold)


def networks_of(
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
        "generated": trained[0].data.added().generated,
        "comparison": _of_comparison(settings, chosen, classifier, arms[arm]),
    }
    files = [one.model_file for one in trained]
    return ClassifierToExport(files, settings.spec, parts, known, settings.seed)


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


def _settings(values: dict[str, Any]) -> ComparisonSettings:
    # The class of the settings follows from their kind, not from their values.
    tuned = {kind: restored(SETTINGS[kind], one) for kind, one in values.get("tuned", {}).items()}
    known = {name: value for name, value in values.items() if name != "tuned"}
    settings: ComparisonSettings = restored(ComparisonSettings, known | {"tuned": {}})
    return replace(settings, tuned=tuned)
