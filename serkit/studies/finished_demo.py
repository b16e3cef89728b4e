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
    """Where a run keeps the classifier of one of :data:`serkit.studies.demo_settings.ARMS`."""
    return run / "classifiers" / arm / "model.keras"


class FinishedRun:
    """What a run of :func:`serkit.studies.demo.run_demo` left.

    Args:
        folder: of the run.
        cache: of its spectrograms; default: in the run folder. Those that are not there are
            computed, for which the recordings have to be where they were.

    Attributes:
        settings: it was run with.
        metrics: content of ``metrics.json``.

    Raises:
        InputError: if the folder holds no run that got as far as ``metrics.json``.
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
        """An arm's classifier to be deployed, see :meth:`classifier` and :meth:`parts`."""
        arm, file = self.classifier(arm)
        known = known_of(self.settings, self.metrics, arm, self.folder.resolve().name)
        return Deliverable([file], self.settings.spec, self.parts(), known, self.settings.seed)

    def classifier(self, arm: str | None) -> tuple[str, Path]:
        """An arm and the file of its classifier.

        Args:
            arm: of :data:`serkit.studies.demo_settings.ARMS`; None for what was better on the
                validation part.

        Raises:
            InputError: if there is no such arm, or its classifier is gone.
        """
        arm = self.metrics["better"] if arm is None else arm
        check_choice("arm", arm, ARMS)
        file = classifier_file(self.folder, arm)
        if not file.exists():
            raise InputError(f"{file} is not there; serkit demo would train it again")
        return arm, file

    def parts(self) -> Parts:
        """The run's split and its spectrograms.

        Raises:
            ResumeError: if the split that is drawn now is another: what was fitted may have seen
                speakers of its other parts.
        """
        settings = self.settings
        if not settings.roots:
            # Of a run before there were marks.
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
    """What a :class:`serkit.studies.deployment.Deliverable` has to know of a run.

    Args:
        settings: of the run.
        metrics: content of ``metrics.json``.
        arm: whose classifier is delivered.
        run: name of the run.
    """
    return {
        "run": run,
        "arm": arm,
        "protocol": metrics["protocol"],
        "leaky": metrics["leaky"],
        "generated": {} if arm == ARMS[0] else metrics["generated"],
    }
