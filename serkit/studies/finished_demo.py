"""Open a finished demo run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from serkit.datasets.corpus import Corpus
from serkit.datasets.corpus_info import mark
from serkit.datasets.protocols import make_splits
from serkit.errors import InputError, ResumeError, check_choice
from serkit.files import read_json
from serkit.serialization import restored
from serkit.studies.demo_settings import ARMS, DemoSettings
from serkit.studies.deployment import Deliverable
from serkit.studies.parts import Parts
from serkit.training.spectrograms import compute_spectrograms


def classifier_file(run: Path, arm: str) -> Path:
    """Return a run's file of the classifier of an arm."""
    return run / "classifiers" / arm / "model.keras"


class FinishedRun:
    """Results of a :func:`serkit.studies.demo.run_demo` whose classifiers are evaluated.

    Args:
        folder: the run folder.
        cache: folder of the spectrograms; default: in the run folder. Missing spectrograms are
            computed again, for which the recordings must not have been moved.

    Attributes:
        settings: settings of the demo.
        metrics: content of ``metrics.json``.

    Raises:
        InputError: if the folder holds no run with a ``metrics.json``.
    """

    def __init__(self, folder: Path, cache: Path | None = None) -> None:
        self.folder, self.cache = folder, cache or folder / "spectrograms"
        try:
            self.metrics = read_json(folder / "metrics.json")
            settings = read_json(folder / "settings.json")
        except (OSError, ValueError) as error:
            raise InputError(
                f"{folder} is no finished run of serkit demo ({error}); valid is the folder that "
                "it was given as --out"
            ) from error
        self.settings = restored(DemoSettings, settings)

    def deliverable(self, arm: str | None = None) -> Deliverable:
        """Return an arm's classifier for export, see :meth:`classifier` and :meth:`parts`."""
        arm, file = self.classifier(arm)
        known = known_of(self.settings, self.metrics, arm, self.folder.resolve().name)
        return Deliverable([file], self.settings.spec, self.parts(), known, self.settings.seed)

    def classifier(self, arm: str | None) -> tuple[str, Path]:
        """Return the name of an arm and the file of its classifier.

        Args:
            arm: one of :data:`serkit.studies.demo_settings.ARMS`; None for the arm with the higher
                UAR on the validation partition.

        Raises:
            InputError: if there is no such arm, or its classifier is missing.
        """
        arm = self.metrics["better"] if arm is None else arm
        check_choice("arm", arm, ARMS)
        file = classifier_file(self.folder, arm)
        if not file.exists():
            raise InputError(f"{file} is not there; serkit demo would train it again")
        return arm, file

    def parts(self) -> Parts:
        """Return the run's split with its spectrograms and labels.

        Raises:
            ResumeError: if the split that is drawn now differs from the run's split, because the
                classifiers may have been fitted on validation or test speakers of the new split.
        """
        settings = self.settings
        if not settings.roots:
            # Runs of earlier versions did not mark the built-in corpus as synthetic.
            mark(self.folder / "built-in")
        corpus = Corpus.read(self.folder / "manifest.csv")
        (split,) = make_splits(settings.protocol, corpus, settings.label_set, settings.seed)
        if read_json(self.folder / "split.json") != split.summary():
            raise ResumeError(
                f"{self.folder / 'split.json'} is not the split that is drawn now; export with the "
                "versions in versions.json"
            )
        spectrograms = compute_spectrograms(corpus, settings.spec, cache=self.cache)
        return Parts(corpus, split, spectrograms, settings.label_set)


def known_of(settings: DemoSettings, metrics: Mapping, arm: str, run: str) -> dict[str, Any]:
    """Return the metadata of a run for a :class:`serkit.studies.deployment.Deliverable`.

    Args:
        settings: settings of the run.
        metrics: content of ``metrics.json``.
        arm: arm whose classifier is exported.
        run: name of the run.
    """
    return {
        "run": run,
        "arm": arm,
        "protocol": metrics["protocol"],
        "leaky": metrics["leaky"],
        "generated": {} if arm == ARMS[0] else metrics["generated"],
    }
