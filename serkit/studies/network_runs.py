"""Train a network of spectrograms on one arm of one fold."""

import functools
from dataclasses import asdict, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np

from serkit.audio.spec_augment import mask
from serkit.files import file_digest
from serkit.models.fitting import FitSettings, fit_classifier
from serkit.models.frozen_features import prepare_training_data
from serkit.models.pretrained import PLAIN, scaling_of, speakers_of
from serkit.seeds import derive_seed
from serkit.serialization import recorded
from serkit.studies.classifier_runs import ClassifierRun
from serkit.training.batches import batches_in_order
from serkit.training.examples import Examples


class NetworkRun(ClassifierRun):
    """Task: train a network, see :class:`serkit.studies.classifier_runs.ClassifierRun`."""

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

    def kept_epoch(self) -> dict[str, float]:
        """Return the entry of :meth:`history` for the epoch whose weights were kept."""
        epochs = self.history()
        if self.fit.keep == "last":
            return epochs[-1]
        return max(epochs, key=lambda epoch: epoch["val_uar"])

    def _method(self) -> dict[str, Any]:
        settings, arm = self.settings, self.data.arm
        kind = settings.network_kind(self.classifier)
        return {
            "network": asdict(kind.network),
            "weights": weights_key(settings.weights) if kind.base else None,
            "fit": asdict(self.fit),
            "masks": asdict(settings.masks) if arm.spec_augment else None,
            "seed": self._derived_seed,
            **self._augmentation_key,
        }

    @property
    def _augmentation_key(self) -> dict[str, Any]:
        augmentation = self.settings.wave_augmentation_of(self.data.arm)
        if augmentation is None:
            return {}
        # Defaults are left out, so that keys stay valid when a later version adds fields.
        field_names = [field.name for field in fields(augmentation)]
        return {"waves": recorded(augmentation, field_names)}

    @property
    def _derived_seed(self) -> int:
        fold = self.data.fold
        # The seed does not depend on the arm, so that all arms start from the same weights.
        return derive_seed(self.seed, fold.protocol, fold.number, self.classifier)

    def _fit(self, train: Examples, verbose: int) -> keras.Model:
        split, partitions = self.data.fold.split, self.data.fold.partitions
        kind = self.settings.network_kind(self.classifier)
        if kind.base:
            split.speakers.require_training(speakers_of(self.settings.weights))
        model = kind.build(
            len(partitions.classes), partitions.shape, self.settings.weights, self._derived_seed
        )
        augment = functools.partial(mask, settings=self.settings.masks)
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
        return model

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
