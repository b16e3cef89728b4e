"""How the models of ``serkit train`` are fitted."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import keras

from serkit.audio.spec_augment import MaskSettings, mask
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.datasets.feature_table import FeatureTable
from serkit.models.compact import CompactSettings, compact
from serkit.models.fitting import FitSettings
from serkit.models.linear_head import LinearHeadSettings, fit_linear_head
from serkit.models.speech_features import SpeechFeatures
from serkit.studies.classifier_kinds import COMPACT, NETWORKS
from serkit.studies.cross_validation import FoldRun
from serkit.studies.partitions import Inputs


class Recipe(Protocol):
    """How a kind of model is trained."""

    @property
    def spec(self) -> Inputs:
        """Settings of the spectrograms, the encoder, or the user's own features."""
        ...

    @property
    def speeds(self) -> tuple[float, ...]:
        """Other speeds at which training clips are used."""
        ...

    @property
    def needs_validation(self) -> bool:
        """Whether training needs validation speakers."""
        ...

    def fit(self, fold: FoldRun) -> keras.Model:
        """Return a model that is fitted on speakers of a fold, but on none of its test speakers."""
        ...


@dataclass(frozen=True)
class HeadRecipe:
    """A linear classifier of features, see :class:`Recipe`."""

    spec: SpeechFeatures | FeatureTable
    head: LinearHeadSettings
    speeds: tuple[float, ...] = ()
    needs_validation: bool = False

    def fit(self, fold: FoldRun) -> keras.Model:
        split = fold.partitions.split.without_validation()
        train = fold.partitions.split_by(split).to_fit(split.train)
        return fit_linear_head(train, split.speakers, len(fold.partitions.classes), self.head)


@dataclass(frozen=True)
class NetworkRecipe:
    """A network of spectrograms, see :class:`Recipe`.

    The last epoch is kept, so that validation speakers choose nothing.
    """

    model: str
    weights: str
    epochs: int | None
    needs_validation: bool = True

    @property
    def spec(self) -> SpectrogramSpec:
        if self.model == COMPACT:
            return SpectrogramSpec(frames=160, bins=80, window=512, trim_db=30.0)
        return SpectrogramSpec()

    @property
    def speeds(self) -> tuple[float, ...]:
        return (0.9, 1.1) if self.model == COMPACT else ()

    @property
    def fit_settings(self) -> FitSettings:
        """Settings of a training run."""
        if self.model == COMPACT:
            settings = FitSettings(epochs=60, label_smoothing=0.1, keep="last")
        else:
            settings = replace(NETWORKS[self.model].fit, keep="last")
        return replace(settings, epochs=self.epochs or settings.epochs)

    def build(self, classes: int, seed: int) -> keras.Model:
        """Return the network before training."""
        if self.model == COMPACT:
            network = CompactSettings(pool=(1, 1), stride=(1, 2))
            return compact(classes, self.spec.shape, network, seed)
        return NETWORKS[self.model].build(classes, self.spec.shape, self.weights, seed)

    def fit(self, fold: FoldRun) -> keras.Model:
        model = self.build(len(fold.partitions.classes), fold.network_seed)
        augment = partial(mask, settings=MaskSettings()) if self.model == COMPACT else None
        fold.fit(model, self.fit_settings, augment=augment, weights=self.weights)
        return model
