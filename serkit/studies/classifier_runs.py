"""Train one classifier on one arm of one fold, and predict its test partition."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import pandas as pd

from serkit.files import read_json_object, replacing, write_json
from serkit.metrics.classification import score
from serkit.serialization import content_key
from serkit.studies.comparison_settings import ComparisonSettings
from serkit.studies.folds import clips_key
from serkit.studies.partitions import CLIP_COLUMNS, predict_clips, remove_checkpoint
from serkit.studies.training_sets import TrainingSet
from serkit.tasks.graph import failure_at
from serkit.training.examples import Examples

# Without these types, pandas would read class names such as ``1`` and ``2`` as numbers.
_COLUMN_TYPES = dict.fromkeys((*CLIP_COLUMNS, "truth", "predicted"), str)


@dataclass(frozen=True, eq=False)
class ClassifierRun(ABC):
    """Task: train a classifier, and predict the clips of the test partition.

    Attributes:
        classifier: one of :data:`serkit.studies.classifier_kinds.CLASSIFIERS`.
        data: the arm, the fold, and the examples that are added to rare classes.
        seed: seed of the training run. Weights, dropout, order of examples and augmentation depend
            on it.
        settings: settings of the comparison.
        results_folder: folder of all results. The cached outputs of frozen layers are there, too.
        keep_model: whether the trained model is saved.
    """

    classifier: str
    data: TrainingSet
    seed: int
    settings: ComparisonSettings
    results_folder: Path
    keep_model: bool = False

    @cached_property
    def key(self) -> str:
        """Hash of all inputs that the predictions depend on."""
        arm, fold = self.data.arm, self.data.fold
        partitions = fold.split.partitions()
        return content_key(
            classifier=self.classifier,
            speeds=self.settings.speeds_of(arm)[1:],
            filling=self.data.key,
            clips={
                name: clips_key(partition.clips, fold.label_set)
                for name, partition in partitions.items()
            },
            classes=fold.classes,
            spec=fold.inputs.key,
            **self._method(),
        )

    @abstractmethod
    def _method(self) -> dict[str, Any]:
        """Return JSON values of all settings that the training run depends on."""

    @abstractmethod
    def _fit(self, train: Examples, verbose: int) -> keras.Model:
        """Return a model that is fitted on the training examples, or resume its training run."""

    @abstractmethod
    def _training_accuracy(self, model: keras.Model, train: Examples) -> float:
        """Return the accuracy on all training examples, without dropout and augmentation."""

    @property
    def title(self) -> str:
        """Name of the task in messages."""
        fold, arm = self.data.fold, self.data.arm
        return f"{self.classifier}-{arm.name}-{fold.protocol}-{fold.number}-seed-{self.seed}"

    @property
    def folder(self) -> Path:
        """Folder of this task. Two arms with the same training run share one folder."""
        return self.results_folder / "trainings" / f"{self.classifier}-{self.key}"

    @property
    def model_file(self) -> Path:
        """File of the trained model, if it is saved."""
        return self.folder / "model.keras"

    @property
    def needs(self) -> tuple[Path, ...]:
        """Folders of the inputs, of the GANs, and of the sample filter's classifier."""
        speeds = self.settings.speeds_of(self.data.arm)
        return (*self.data.fold.inputs.task_folders(speeds), *self.data.needs)

    @property
    def is_done(self) -> bool:
        has_record = (self.folder / "record.json").exists()
        return has_record and (self.model_file.exists() or not self.keep_model)

    @property
    def failure(self) -> str | None:
        """Why this training run, or that of a GAN that it needs, failed; None if none failed."""
        return self.data.failure or failure_at(self.folder)

    def run(self, verbose: int) -> None:
        """Train the classifier, or resume its training run; predict validation and test partitions.

        Raises:
            LeakError: if a clip may not be used for fitting, or the initial weights were trained on
                speakers who are not training speakers.
        """
        train, generated_count = self._training_examples()
        model = self._fit(train, verbose)
        measured = {
            "examples": len(train),
            "generated": generated_count,
            "train_accuracy": self._training_accuracy(model, train),
        }
        self._write_results(model, measured)

    def predictions(self) -> pd.DataFrame:
        """Return test predictions, see :func:`serkit.studies.partitions.predict_clips`."""
        split = self.data.fold.split
        table = pd.read_csv(
            self.folder / "predictions.csv", keep_default_na=False, dtype=_COLUMN_TYPES
        )
        # These columns come from the current manifest, because the user may have corrected it since
        # the training run.
        for name in CLIP_COLUMNS:
            table[name] = [getattr(clip, name) for clip in split.test.clips]
        return table

    def history(self) -> list[dict[str, float]]:
        """Return one dictionary per epoch; none if the classifier is not trained in epochs."""
        file = self.folder / "history.csv"
        return pd.read_csv(file).to_dict("records") if file.exists() else []

    def record(self) -> dict[str, Any]:
        """Return the validation UAR, and the number of training examples and the accuracy on them.

        Returns:
            JSON values:

            - ``validation_uar``: UAR on the validation partition.
            - ``examples``: number of all training examples.
            - ``generated``: number of training examples from a GAN or of noise.
            - ``train_accuracy``: accuracy on all training examples with the kept weights, without
              dropout and augmentation. Records of earlier versions do not have it.
        """
        return read_json_object(
            self.folder / "record.json", validation_uar=float, examples=int, generated=int
        )

    def _training_examples(self) -> tuple[Examples, int]:
        """Return all training examples, and how many of them were generated."""
        train = self.data.fold.split.train
        real = [partitions.to_fit(train) for partitions in self.data.partitions]
        added = self.data.added()
        return Examples.joined([*real, *added.examples]), sum(added.generated.values())

    def _write_results(self, model: keras.Model, measured: dict[str, float]) -> None:
        split, partitions = self.data.fold.split, self.data.fold.partitions
        if self.keep_model:
            with replacing(self.model_file) as partial:
                model.save(partial)
        logits = model.predict(partitions.spectrograms(split.validation), batch_size=64, verbose=0)
        truth = partitions.labels(split.validation)
        scores = score(truth, logits.argmax(axis=1), len(partitions.classes))
        with replacing(self.folder / "predictions.csv") as partial:
            table = predict_clips(model, partitions, split.test)
            table.to_csv(partial, index=False, lineterminator="\n")
        # This file is written last, because it marks the training run as done.
        write_json(self.folder / "record.json", {"validation_uar": scores.uar, **measured})
        remove_checkpoint(self.folder)
        # Without this, the graphs of hundreds of networks would accumulate in one process.
        keras.utils.clear_session()
