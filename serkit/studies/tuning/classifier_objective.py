"""The score of a classifier's settings on held-out training speakers."""

import functools
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import keras
import numpy as np

from serkit.audio.spec_augment import MaskSettings, mask
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.augmentation.arms import augmentation_of
from serkit.augmentation.reference_classifier import in_batches
from serkit.datasets.corpus import LABEL_SETS
from serkit.datasets.custom import Naming
from serkit.errors import DivergedError, check_choice, check_range
from serkit.files import replacing
from serkit.layers.variational import KLWarmup
from serkit.metrics.calibration import negative_log_likelihood, reliability, softmax
from serkit.metrics.classification import score
from serkit.models.bayesian import from_deterministic, last_block
from serkit.models.compact import compact
from serkit.models.fitting import FitSettings
from serkit.seeds import derive_seed
from serkit.studies.partitions import Partitions
from serkit.studies.search_spaces import BayesianRecipe, CompactRecipe
from serkit.studies.tuning.inner import MeanOverFolds, inner_parts
from serkit.uncertainty.predictors import SampledNetwork, predict_samples


@dataclass(frozen=True)
class ClassifierSearch:
    """Data and training settings for a search over classifiers.

    Attributes:
        roots: folders of recordings.
        label_set: ``emotion`` or ``gender_emotion``.
        folds: number of folds of the speakers in the training partition, at least 3; each fold is
            scored on once.
        epochs: epochs of a full training run of a compact network. In a search over Bayesian
            networks, this is the network that they start from.
        steps_per_epoch: steps per epoch with batches of 32. With another batch size, the number of
            examples per epoch is the same.
        bayesian_epochs: epochs of a full training run of a Bayesian network.
        seed: seed of the split, the folds and the training runs.
        spec: settings of the spectrograms.
        masks: settings of the augmentation by masks.
        naming: naming scheme of the user's own recordings.
        live: keys of :data:`serkit.augmentation.arms.STRENGTHS`. The spectrograms of training
            batches are then computed at each step, from waveforms with these augmentations. None
            trains on precomputed spectrograms.

    Raises:
        InputError: if a value is out of range.
    """

    roots: tuple[str, ...]
    label_set: str = "emotion"
    folds: int = 3
    epochs: int = 30
    steps_per_epoch: int = 24
    bayesian_epochs: int = 10
    seed: int = 0
    spec: SpectrogramSpec = field(default_factory=SpectrogramSpec)
    masks: MaskSettings = field(default_factory=MaskSettings)
    naming: Naming = field(default_factory=Naming)
    live: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        check_choice("label_set", self.label_set, LABEL_SETS)
        check_range("folds", self.folds, 3)
        augmentation_of(self.live or ())
        for name in ("epochs", "steps_per_epoch", "bayesian_epochs"):
            check_range(name, getattr(self, name), 1)

    def parts(self, folder: Path) -> list[Partitions]:
        """Return the folds, see :func:`serkit.studies.tuning.inner.inner_parts`."""
        return inner_parts(
            self.roots,
            self.label_set,
            self.spec,
            folds=self.folds,
            seed=self.seed,
            folder=folder,
            naming=self.naming,
            live=None if self.live is None else augmentation_of(self.live),
        )


class ClassifierObjective(MeanOverFolds):
    """UAR of compact networks on held-out training speakers; arguments are of the base class."""

    name: str = "UAR"
    goal: str = "max"
    search: ClassifierSearch

    @property
    def base(self) -> CompactRecipe:
        """Default settings, the baseline of the search."""
        found, search = CompactRecipe(), self.search
        fit = replace(found.fit, epochs=search.epochs, steps_per_epoch=search.steps_per_epoch)
        return replace(found, fit=fit)

    @cached_property
    def folds(self) -> list[Partitions]:
        """Folds; networks are scored on the ``test`` partition of each fold."""
        return self.search.parts(self.folder)

    def measured(
        self, fold: Partitions, settings: CompactRecipe, share: float, folder: Path, verbose: int
    ) -> dict[str, float]:
        """Train a network for a fraction of its epochs, and score it.

        Arguments and errors are as for :meth:`MeanOverFolds.measured`.

        Returns:
            ``score``, the UAR, ``accuracy``, and ``nll``, the negative log likelihood in nats.
        """
        seed = derive_seed(self.search.seed, "fold", self.folds.index(fold))
        model = trained_compact(fold, self.search, settings, share, seed, folder, verbose)
        logits = in_batches(model, fold.of(fold.split.test))
        if not np.isfinite(logits).all():
            # Logits may be infinite or NaN even if all weights are finite.
            raise DivergedError("logits of the trained network are not finite")
        truth = fold.labels(fold.split.test)
        found = score(truth, logits.argmax(axis=1), len(fold.classes))
        loss = negative_log_likelihood(softmax(logits), truth)
        return {"score": found.uar, "accuracy": found.accuracy, "nll": loss}


def trained_compact(
    fold: Partitions,
    search: ClassifierSearch,
    recipe: CompactRecipe,
    share: float,
    seed: int,
    folder: Path,
    verbose: int,
) -> keras.Model:
    """Return a compact network, trained on the training partition of a fold.

    Args:
        fold: fold of the search.
        search: its ``masks`` are the augmentation.
        recipe: settings of the network and the training run.
        share: fraction of the epochs, above 0 and at most 1.
        seed: seed of weights, dropout, order and augmentation.
        folder: folder of the training run.
        verbose: as for Keras' ``fit``.

    Raises:
        DivergedError: if a loss or a weight is not finite.
    """
    model = compact(len(fold.classes), fold.shape, recipe.network, seed)
    augment = functools.partial(mask, settings=search.masks)
    fit = shortened(recipe.fit, share)
    fold.fit(model, fit, seed, folder, augment=augment, verbose=verbose)
    return model


def shortened(fit: FitSettings, share: float) -> FitSettings:
    """Return the same settings with a fraction of the epochs, at least 1.

    Example:
        >>> shortened(FitSettings(epochs=9), 1 / 3).epochs
        3
    """
    return replace(fit, epochs=max(1, round(share * fit.epochs)))


_SAMPLES = 30


@dataclass(frozen=True)
class BayesianFold:
    """A fold, and the trained network that the Bayesian networks of all trials start from."""

    parts: Partitions
    twin: keras.Model
    seed: int


class BayesianObjective(MeanOverFolds):
    """Negative log likelihood, in nats, of compact networks whose last block and head are Bayesian.

    Arguments are of the base class. The folder also gets the networks that all trials start from.
    """

    name: str = "NLL"
    goal: str = "min"
    search: ClassifierSearch

    @property
    def base(self) -> BayesianRecipe:
        """Default settings, the baseline of the search."""
        found, search = BayesianRecipe(), self.search
        epochs, steps = search.bayesian_epochs, search.steps_per_epoch
        return replace(found, fit=replace(found.fit, epochs=epochs, steps_per_epoch=steps))

    @cached_property
    def folds(self) -> list[BayesianFold]:
        """Folds; networks are scored on the ``test`` partition of each fold."""
        return [
            self._fold(parts, number) for number, parts in enumerate(self.search.parts(self.folder))
        ]

    def measured(
        self, fold: BayesianFold, settings: BayesianRecipe, share: float, folder: Path, verbose: int
    ) -> dict[str, float]:
        """Train a Bayesian network for a fraction of its epochs, and score it.

        Arguments and errors are as for :meth:`MeanOverFolds.measured`.

        Returns:
            ``score``, ``uar`` and ``ece`` of the mean probabilities of 30 samples: the negative log
            likelihood in nats, the UAR, and the expected calibration error. UAR and ECE are from 0
            to 1.
        """
        parts, fit = fold.parts, shortened(settings.fit, share)
        split = parts.split
        model = from_deterministic(
            fold.twin,
            settings.delta,
            layers=last_block(fold.twin),
            settings=settings.weights,
            seed=fold.seed,
        )
        parts.fit(
            model,
            fit,
            fold.seed,
            folder,
            augment=functools.partial(mask, settings=self.search.masks),
            callbacks=(KLWarmup(len(split.train), fit.epochs // 2, settings.kl),),
            verbose=verbose,
        )
        network, spectrograms = SampledNetwork(model), parts.of(split.test)
        found = predict_samples(network, spectrograms, _SAMPLES, fold.seed).mean(axis=0)
        truth = parts.labels(split.test)
        uar = score(truth, found.argmax(axis=1), len(parts.classes)).uar
        loss, ece = negative_log_likelihood(found, truth), reliability(found, truth).ece
        return {"score": loss, "uar": uar, "ece": ece}

    def _fold(self, parts: Partitions, number: int) -> BayesianFold:
        seed = derive_seed(self.search.seed, "fold", number)
        folder = self.folder / f"fold-{number + 1}"
        kept = folder / "twin.keras"
        if not kept.exists():
            # Without label smoothing, because the Bayesian network is meant to improve the
            # probabilities of this network.
            epochs, steps = self.search.epochs, self.search.steps_per_epoch
            fit = FitSettings(epochs=epochs, steps_per_epoch=steps, keep="last")
            recipe = CompactRecipe(fit=fit)
            model = trained_compact(parts, self.search, recipe, 1.0, seed, folder, verbose=0)
            with replacing(kept) as partial:
                model.save(partial)
        return BayesianFold(parts, keras.models.load_model(kept), seed)
