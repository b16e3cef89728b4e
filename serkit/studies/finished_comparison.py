"""Open a finished comparison for the networks of one arm."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from serkit.augmentation.arms import NONE, Arm
from serkit.errors import InputError, check_choice
from serkit.files import read_json
from serkit.progress import Progress
from serkit.serialization import restored
from serkit.studies.classifier_runs import Training
from serkit.studies.comparison import fixed
from serkit.studies.comparison_settings import CompareSettings
from serkit.studies.deployment import Deliverable
from serkit.studies.engine import Comparison
from serkit.studies.folds import Fold
from serkit.studies.run_folder import Run
from serkit.studies.search_spaces import SETTINGS
from serkit.tasks.graph import LocalEngine, TaskGraph


class FinishedComparison:
    """Results of a finished :func:`serkit.studies.comparison.compare`.

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
        self.folder, self.cache = folder, cache
        self.progress = progress or Progress()
        try:
            self.results = read_json(folder / "comparison.json")
            # comparison.json has the last arms, classifiers and seeds; settings.json has
            # the folders of the recordings.
            values = self.results["settings"] | read_json(folder / "settings.json")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{folder} is no finished run of serkit compare ({error}); valid is the folder "
                "that it was given as --out"
            ) from error
        self.settings = _settings(values)

    def keep(
        self, arm: str | None = None, classifier: str | None = None, fold: int = 1
    ) -> Deliverable:
        """Train an arm's networks on a fold again, and save them.

        A comparison saves the predictions of its networks, but not the networks. The same clips and
        seeds give the same networks again, one for each seed that the arm was trained with.

        Args:
            arm: name of an arm; None for the arm with the highest UAR on the validation speakers.
            classifier: name of a classifier; None for the first classifier of the comparison.
            fold: number of the fold whose training partition is used.

        Raises:
            InputError: if there is no such arm, classifier or fold, or a training run failed.
            ResumeError: if another process uses the folder.
        """
        protocol = self.settings.protocols[0]
        classifier = self.settings.classifiers[0] if classifier is None else classifier
        check_choice("classifier", classifier, self.settings.classifiers)
        arms = self.results["protocols"][protocol]["classifiers"][classifier]["arms"]
        arm = max(arms, key=lambda name: arms[name]["validation_uar"]) if arm is None else arm
        check_choice("arm", arm, arms)
        with Run(self.folder, fixed(self.settings)) as run:
            comparison = Comparison(self.settings, run.folder, self.cache, self.progress)
            chosen = next(one for one in comparison.arms if one.name == arm)
            folds = {one.number: one for one in comparison.folds if one.protocol == protocol}
            check_choice("fold", str(fold), [str(number) for number in folds])
            trained = self._train(comparison, folds[fold], classifier, chosen, arms[arm]["seeds"])
            generated = trained[0].filling.added().generated
        parts = folds[fold].parts
        known = {
            "run": self.folder.resolve().name,
            "arm": arm,
            "protocol": f"{protocol}, {parts.split.detail or f'fold {fold}'}",
            "leaky": parts.split.leaky,
            "generated": generated,
            "comparison": self._said(chosen, classifier, arms[arm]),
        }
        files = [one.model_file for one in trained]
        return Deliverable(files, self.settings.spec, parts, known, self.settings.seed)

    def _train(
        self, comparison: Comparison, fold: Fold, classifier: str, arm: Arm, seeds: list[int]
    ) -> list[Training]:
        tasks = list(comparison.tasks(fold, arm, [classifier], seeds, keep=True))
        comparison.views.settle()
        LocalEngine().run(TaskGraph(tasks), None, self.progress.say, self.progress.verbose)
        trained = [task for _, task in tasks if isinstance(task, Training)][-len(seeds) :]
        for one in trained:
            if not one.is_done:
                raise InputError(f"{one.title} cannot be trained: {one.failure}")
        return trained

    def _said(self, arm: Arm, classifier: str, found: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "classifier": classifier,
            "meaning": arm.meaning,
            "everywhere": list(self.settings.everywhere),
            "trainings": found["trainings"],
            "speakers": len(found["uar_of_speakers"]),
            "uar": found["uar"],
            "verdict": None if arm.name == NONE else found["difference"]["verdict"],
        }


def _settings(values: dict[str, Any]) -> CompareSettings:
    # The class of the settings follows from their kind, not from their values.
    tuned = {kind: restored(SETTINGS[kind], one) for kind, one in values.get("tuned", {}).items()}
    known = {name: value for name, value in values.items() if name != "tuned"}
    settings: CompareSettings = restored(CompareSettings, known | {"tuned": {}})
    return replace(settings, tuned=tuned)
