"""Train one classifier on one arm of one fold, and predict its test partition."""

import functools
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from serkit.audio.spec_augment import mask
from serkit.files import file_digest, read_json, replacing, write_json
from serkit.metrics.classification import score
from serkit.models.fitting import FitSettings, fit_classifier
from serkit.models.frozen_features import prepare_training_data
from serkit.models.pretrained import PLAIN, scaling_of, speakers_of
from serkit.seeds import derive_seed
from serkit.serialization import content_key, recorded
from serkit.studies.comparison_settings import ComparisonSettings
from serkit.studies.folds import clips_key
from serkit.studies.partitions import CLIP_COLUMNS, predict_clips, remove_checkpoint
from serkit.studies.training_sets import TrainingSet
from serkit.tasks.graph import failure_at
from serkit.training.batches import batches_in_order
from serkit.training.examples import Examples

# Without these types, pandas would read class names such as ``1`` and ``2`` as numbers.
_COLUMN_TYPES = dict.fromkeys((*CLIP_COLUMNS, "truth", "predicted"), str)


@dataclass(frozen=True, eq=False)
class ClassifierRun:
    """Task: train a classifier, and predict the clips of the test partition.

    Attributes:
        classifier: key of :data:`serkit.studies.comparison_settings.CLASSIFIERS`.
        data: the arm, the fold, and the examples that are added to rare classes.
        seed: seed of the training run. Weights, dropout, order of examples and augmentation depend
            on it.
        settings: settings of the comparison.
        results_folder: folder of all results. The cached outputs of frozen layers are there, too.
        keep_model: whether the trained network is saved.
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
        kind = self.settings.classifier_kind(self.classifier)
        partitions = fold.split.partitions()
        return content_key(
            classifier=self.classifier,
            network=asdict(kind.network),
            weights=weights_key(self.settings.weights) if kind.base else None,
            fit=asdict(self.fit),
            masks=asdict(self.settings.masks) if arm.spec_augment else None,
            speeds=self.settings.speeds_of(arm)[1:],
            filling=self.data.key,
            clips={
                name: clips_key(partition.clips, fold.label_set)
                for name, partition in partitions.items()
            },
            classes=fold.classes,
            spec=asdict(self.settings.spec),
            seed=self._derived_seed,
            **self._augmentation_key,
        )

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
        """File of the trained network, if it is saved."""
        return self.folder / "model.keras"

    @property
    def needs(self) -> tuple[Path, ...]:
        """Folders of the spectrograms, of the GANs, and of the sample filter's classifier."""
        speeds = self.settings.speeds_of(self.data.arm)
        return (*self.data.fold.spectrograms.task_folders(speeds), *self.data.needs)

    @property
    def is_done(self) -> bool:
        has_record = (self.folder / "record.json").exists()
        return has_record and (self.model_file.exists() or not self.keep_model)

    @property
    def failure(self) -> str | None:
        """Why this training run, or that of a GAN that it needs, failed; None if none failed."""
        return self.data.failure or failure_at(self.folder)

    @cached_property
    def fit(self) -> FitSettings:
        """Training settings.

        All arms of a fold have the same number of steps: that of an arm that fills up classes.
        """
        arm, fold = self.data.arm, self.data.fold
        settings = self.settings.fit_of(self.classifier)
        example_count = len(fold.split.train) + sum(fold.plan.values())
        return replace(
            settings,
            steps_per_epoch=settings.steps(example_count),
            class_weights=arm.class_weights,
            mixup=arm.mixup,
        )

    def run(self, verbose: int) -> None:
        """Train the classifier, or resume its training run; predict validation and test partitions.

        Raises:
            LeakError: if a clip may not be used for fitting, or the initial weights were trained on
                speakers who are not training speakers.
        """
        split, partitions = self.data.fold.split, self.data.fold.partitions
        kind = self.settings.classifier_kind(self.classifier)
        if kind.base:
            split.speakers.require_training(speakers_of(self.settings.weights))
        model = kind.build(
            len(partitions.classes), partitions.shape, self.settings.weights, self._derived_seed
        )
        augment = functools.partial(mask, settings=self.settings.masks)
        train, generated_count = self._training_examples()
        fit_classifier(
            model,
            train,
            partitions.examples(split.validation),
            split.speakers,
            self.fit,
            seed=self._derived_seed,
            folder=self.folder,
            augment=augment if self.data.arm.spec_augment else None,
            features=self.results_folder / "features",
            verbose=verbose,
        )
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
        """Return one dictionary per epoch, see :func:`serkit.models.fitting.fit_classifier`."""
        return pd.read_csv(self.folder / "history.csv").to_dict("records")

    def kept_epoch(self) -> dict[str, float]:
        """Return the entry of :meth:`history` for the epoch whose weights were kept."""
        epochs = self.history()
        if self.fit.keep == "last":
            return epochs[-1]
        return max(epochs, key=lambda epoch: epoch["val_uar"])

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
        return read_json(self.folder / "record.json")

    @property
    def _derived_seed(self) -> int:
        fold = self.data.fold
        # The seed does not depend on the arm, so that all arms start from the same weights.
        return derive_seed(self.seed, fold.protocol, fold.number, self.classifier)

    @property
    def _augmentation_key(self) -> dict[str, Any]:
        augmentation = self.settings.wave_augmentation_of(self.data.arm)
        if augmentation is None:
            return {}
        # Defaults are left out, so that keys stay valid when a later version adds fields.
        field_names = [field.name for field in fields(augmentation)]
        return {"waves": recorded(augmentation, field_names)}

    def _training_examples(self) -> tuple[Examples, int]:
        """Return all training examples, and how many of them were generated."""
        train = self.data.fold.split.train
        real = [partitions.to_fit(train) for partitions in self.data.partitions]
        added = self.data.added()
        return Examples.joined([*real, *added.examples]), sum(added.generated.values())

    def _training_accuracy(self, model: keras.Model, train: Examples) -> float:
        # This reuses the cached outputs of frozen layers.
        data = prepare_training_data(
            model,
            train,
            train,
            None,
            0,
            self._derived_seed,
            self.results_folder / "features",
            lambda line: None,
        )
        batches = batches_in_order((data.inputs,), 64)
        predicted = data.network.predict(batches, verbose=0).argmax(axis=1)
        return float(np.mean(predicted == train.labels))

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


def weights_key(weights: str) -> str:
    """Return a text that identifies initial weights: their name, or a file's digest and scaling.

    Args:
        weights: ``imagenet``, ``none`` or the path of a file.
    """
    if Path(weights).is_file():
        # A file without a card has ImageNet's scaling. Its key is the digest alone.
        scaling = ", plain" if scaling_of(weights) == PLAIN else ""
        return file_digest(weights) + scaling
    # The initialisation of random weights was changed once. The name of the current one, He, keeps
    # the keys of the two apart.
    return "none, He" if weights == "none" else weights
