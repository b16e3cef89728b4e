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
from serkit.studies.partitions import CLIP_COLUMNS, predict_partition, remove_checkpoint
from serkit.studies.training_sets import TrainingSet
from serkit.tasks.graph import failure_at
from serkit.training.batches import batches_in_order
from serkit.training.examples import Examples

# Otherwise pandas would read class names such as ``1`` and ``2`` as numbers.
_TEXT = dict.fromkeys((*CLIP_COLUMNS, "truth", "predicted"), str)


@dataclass(frozen=True, eq=False)
class ClassifierRun:
    """Task: the training run of a classifier.

    Attributes:
        classifier: key of :data:`serkit.studies.comparison_settings.CLASSIFIERS`.
        data: the arm, the fold, and the examples that are added to rare classes.
        seed: seed of weights, dropout, order of examples and augmentation.
        settings: settings of the comparison.
        folder: folder of all results; features of frozen layers are kept there, too.
        keep_model: whether the trained network is saved.
    """

    classifier: str
    data: TrainingSet
    seed: int
    settings: ComparisonSettings
    folder: Path
    keep_model: bool = False

    @cached_property
    def key(self) -> str:
        """Hash of all inputs that the predictions depend on."""
        arm, fold = self.data.arm, self.data.fold
        kind = self.settings.classifier_kind(self.classifier)
        parts = fold.split.parts().items()
        return content_key(
            classifier=self.classifier,
            network=asdict(kind.network),
            weights=weights_key(self.settings.weights) if kind.pretrained else None,
            fit=asdict(self.fit),
            masks=asdict(self.settings.masks) if arm.masks else None,
            speeds=self.settings.speeds_of(arm)[1:],
            filling=self.data.key,
            clips={name: clips_key(part.clips, fold.label_set) for name, part in parts},
            classes=fold.classes,
            spec=asdict(self.settings.spec),
            seed=self._seed,
            **self._live,
        )

    @property
    def title(self) -> str:
        """Name of the task in messages."""
        fold = self.data.fold
        what = f"{self.classifier}-{self.data.arm.name}"
        return f"{what}-{fold.protocol}-{fold.number}-seed-{self.seed}"

    @property
    def place(self) -> Path:
        """Folder of this task. Two arms with the same training run share one folder."""
        return self.folder / "trainings" / f"{self.classifier}-{self.key}"

    @property
    def model_file(self) -> Path:
        """File of the trained network, if it is saved."""
        return self.place / "model.keras"

    @property
    def needs(self) -> tuple[Path, ...]:
        """Folders of the spectrograms, of the GANs, and of the sample filter's classifier."""
        speeds = self.settings.speeds_of(self.data.arm)
        return (*self.data.fold.views.needs(speeds), *self.data.needs)

    @property
    def is_done(self) -> bool:
        there = (self.place / "record.json").exists()
        return there and (self.model_file.exists() or not self.keep_model)

    @property
    def failure(self) -> str | None:
        """Why this training run, or that of a GAN that it needs, failed; None if none failed."""
        return self.data.failure or failure_at(self.place)

    @cached_property
    def fit(self) -> FitSettings:
        """Training settings. All arms of a fold have the same number of steps."""
        arm, fold = self.data.arm, self.data.fold
        settings = self.settings.fit_of(self.classifier)
        filled = len(fold.split.train) + sum(fold.plan.values())
        return replace(
            settings,
            steps_per_epoch=settings.steps(filled),
            class_weights=arm.class_weights,
            mixup=arm.mixup,
        )

    def run(self, verbose: int) -> None:
        """Train the classifier, or resume its training run; predict validation and test partitions.

        Raises:
            LeakError: if a clip may not be used for fitting, or the initial weights were trained on
                speakers who are not training speakers.
        """
        split, parts = self.data.fold.split, self.data.fold.parts
        kind = self.settings.classifier_kind(self.classifier)
        if kind.pretrained:
            split.speakers.require_training(speakers_of(self.settings.weights))
        model = kind.build(len(parts.classes), parts.shape, self.settings.weights, self._seed)
        masks = functools.partial(mask, settings=self.settings.masks)
        train, generated = self._train()
        fit_classifier(
            model,
            train,
            parts.examples(split.validation),
            split.speakers,
            self.fit,
            seed=self._seed,
            folder=self.place,
            augment=masks if self.data.arm.masks else None,
            features=self.folder / "features",
            verbose=verbose,
        )
        counts = {"examples": len(train), "generated": generated}
        self._keep(model, {**counts, "train_accuracy": self._accuracy(model, train)})

    def predictions(self) -> pd.DataFrame:
        """Return test predictions, see :func:`serkit.studies.partitions.predict_partition`."""
        split = self.data.fold.split
        found = pd.read_csv(self.place / "predictions.csv", keep_default_na=False, dtype=_TEXT)
        # Take these columns from the current manifest, which may have been corrected since.
        for name in CLIP_COLUMNS:
            found[name] = [getattr(clip, name) for clip in split.test.clips]
        return found

    def history(self) -> list[dict[str, float]]:
        """Return one dictionary per epoch, see :func:`serkit.models.fitting.fit_classifier`."""
        return pd.read_csv(self.place / "history.csv").to_dict("records")

    def kept_epoch(self) -> dict[str, float]:
        """Return the row of :meth:`history` of the epoch whose weights were kept."""
        rows = self.history()
        return rows[-1] if self.fit.keep == "last" else max(rows, key=lambda row: row["val_uar"])

    def record(self) -> dict[str, Any]:
        """Return the UAR on the validation partition and the numbers of training examples.

        ``validation_uar`` is the UAR. ``examples`` counts all training examples. ``generated``
        counts the training examples that were generated by a GAN or as noise. ``train_accuracy`` is
        the accuracy on all training examples with the kept weights, without dropout and
        augmentation. Records of earlier versions do not have ``train_accuracy``.
        """
        return read_json(self.place / "record.json")

    @property
    def _seed(self) -> int:
        fold = self.data.fold
        # The arm is left out, so that all arms start from the same weights.
        return derive_seed(self.seed, fold.protocol, fold.number, self.classifier)

    @property
    def _live(self) -> dict[str, Any]:
        waves = self.settings.waves_of(self.data.arm)
        if waves is None:
            return {}
        # Defaults are left out, so that keys stay valid when a later version adds fields.
        return {"waves": recorded(waves, [one.name for one in fields(waves)])}

    def _train(self) -> tuple[Examples, int]:
        fold = self.data.fold
        real = [view.to_fit(fold.split.train) for view in self.data.parts]
        added = self.data.added()
        return Examples.joined([*real, *added.examples]), sum(added.generated.values())

    def _accuracy(self, model: keras.Model, train: Examples) -> float:
        # Reuse the cached outputs of frozen layers.
        known = prepare_training_data(
            model, train, train, None, 0, self._seed, self.folder / "features", lambda line: None
        )
        batches = batches_in_order((known.inputs,), 64)
        found = known.network.predict(batches, verbose=0).argmax(axis=1)
        return float(np.mean(found == train.labels))

    def _keep(self, model: keras.Model, counts: dict[str, float]) -> None:
        split, parts = self.data.fold.split, self.data.fold.parts
        if self.keep_model:
            with replacing(self.model_file) as partial:
                model.save(partial)
        logits = model.predict(parts.of(split.validation), batch_size=64, verbose=0)
        found = score(parts.labels(split.validation), logits.argmax(axis=1), len(parts.classes))
        with replacing(self.place / "predictions.csv") as partial:
            clips = predict_partition(model, parts, split.test)
            clips.to_csv(partial, index=False, lineterminator="\n")
        # Written last, because this file marks the training run as done.
        write_json(self.place / "record.json", {"validation_uar": found.uar, **counts})
        remove_checkpoint(self.place)
        # Otherwise the graphs of hundreds of networks would accumulate in one process.
        keras.utils.clear_session()


def weights_key(weights: str) -> str:
    """Return a key of initial weights: their name, or a file's digest and scaling."""
    if Path(weights).is_file():
        # Files without a card have ImageNet's scaling. Their key is the digest alone.
        plain = ", plain" if scaling_of(weights) == PLAIN else ""
        return file_digest(weights) + plain
    # The initialisation of random weights was changed once; its name keeps the keys apart.
    return "none, He" if weights == "none" else weights
