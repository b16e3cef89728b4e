"""The score of a classifier's settings on held-out training speakers."""

import functools
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import keras
import numpy as np

from serkit.audio.spec_augment import MaskSettings, mask
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.augmentation.arms import wave_augmentation
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
from serkit.studies.tuning.inner import MeanOverFolds, inner_folds
from serkit.uncertainty.predictors import SampledNetwork, predict_samples


@dataclass(frozen=True)
class ClassifierSearch:
    """Data and training settings for a search over classifiers.

    Attributes:
        roots: folders of recordings.
        label_set: ``emotion`` or ``gender_emotion``.
        folds: number of folds of the speakers in the training partition, at least 3. Each speaker
            is used for scoring in one fold.
        epochs: epochs of a full training run of a compact network. In a search over Bayesian
            networks, compact networks are what the Bayesian networks start from.
        steps_per_epoch: steps per epoch with batches of 32. With another batch size, the number of
            examples per epoch is the same.
        bayesian_epochs: epochs of a full training run of a Bayesian network.
        seed: seed of the split, the folds and the training runs.
        spec: settings of the spectrograms.
        masks: settings of the augmentation by masks.
        naming: naming scheme of the user's own recordings.
        live: keys of :data:`serkit.augmentation.arms.WAVE_AUGMENTATIONS`. With these, the
            spectrograms of training batches are computed at each step from augmented waveforms.
            With None, networks are trained on precomputed spectrograms.

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
        wave_augmentation(self.live or ())
        for name in ("epochs", "steps_per_epoch", "bayesian_epochs"):
            check_range(name, getattr(self, name), 1)

    def make_folds(self, folder: Path) -> list[Partitions]:
        """Return the folds, see :func:`serkit.studies.tuning.inner.inner_folds`.

        Args:
            folder: folder for the spectrograms and the hold-out split.
        """
        return inner_folds(
            self.roots,
            self.label_set,
            self.spec,
            folds=self.folds,
            seed=self.seed,
            folder=folder,
            naming=self.naming,
            live=None if self.live is None else wave_augmentation(self.live),
        )


class ClassifierObjective(MeanOverFolds):
    """UAR of compact networks on held-out training speakers.

    Arguments are as for :class:`serkit.studies.tuning.inner.MeanOverFolds`.
    """

    name: str = "UAR"
    goal: str = "max"
    search: ClassifierSearch

    @property
    def baseline(self) -> CompactRecipe:
        """Default settings, the baseline of the search."""
        recipe, search = CompactRecipe(), self.search
        fit = replace(recipe.fit, epochs=search.epochs, steps_per_epoch=search.steps_per_epoch)
        return replace(recipe, fit=fit)

    @cached_property
    def folds(self) -> list[Partitions]:
        """Folds; networks are scored on the ``test`` partition of each fold."""
        return self.search.make_folds(self.folder)

    def measure_fold(
        self, fold: Partitions, settings: CompactRecipe, fraction: float, folder: Path, verbose: int
    ) -> dict[str, float]:
        """Train a network for a fraction of its epochs, and score it.

        Arguments and errors are as for :meth:`MeanOverFolds.measure_fold`.

        Returns:
            ``score``, the UAR, ``accuracy``, and ``nll``, the negative log likelihood in nats.
        """
        seed = derive_seed(self.search.seed, "fold", self.folds.index(fold))
        model = train_compact(fold, self.search, settings, fraction, seed, folder, verbose)
        logits = in_batches(model, fold.spectrograms(fold.split.test))
        if not np.isfinite(logits).all():
            # Logits may be infinite or NaN even if all weights are finite.
            raise DivergedError("logits of the trained network are not finite")
        truth = fold.labels(fold.split.test)
        scores = score(truth, logits.argmax(axis=1), len(fold.classes))
        loss = negative_log_likelihood(softmax(logits), truth)
        return {"score": scores.uar, "accuracy": scores.accuracy, "nll": loss}


def train_compact(
    fold: Partitions,
    search: ClassifierSearch,
    recipe: CompactRecipe,
    fraction: float,
    seed: int,
    folder: Path,
    verbose: int,
) -> keras.Model:
    """Build a compact network and train it on the training partition of a fold.

    Args:
        fold: fold of the search.
        search: ``search.masks`` are the settings of the augmentation.
        recipe: settings of the network and the training run.
        fraction: fraction of the epochs, above 0 and at most 1.
        seed: seed of weights, dropout, order and augmentation.
        folder: folder of the training run.
        verbose: as for Keras' ``fit``.

    Raises:
        DivergedError: if a loss or a weight is not finite.
    """
    model = compact(len(fold.classes), fold.shape, recipe.network, seed)
    augment = functools.partial(mask, settings=search.masks)
    fit = shortened(recipe.fit, fraction)
    fold.fit(model, fit, seed, folder, augment=augment, verbose=verbose)
    return model


def shortened(fit: FitSettings, fraction: float) -> FitSettings:
    """Return the same settings with a fraction of the epochs, at least 1.

    Example:
        >>> shortened(FitSettings(epochs=9), 1 / 3).epochs
        3
    """
    return replace(fit, epochs=max(1, round(fraction * fit.epochs)))


_SAMPLES = 30


@dataclass(frozen=True)
class BayesianFold:
    """A fold, and the trained network that the Bayesian networks of all trials start from.

    Attributes:
        partitions: spectrograms and labels of the fold.
        twin: deterministic network, trained on the training partition of the fold.
        seed: seed of ``twin`` and of all Bayesian networks of the fold.
    """

    partitions: Partitions
    twin: keras.Model
    seed: int


class BayesianObjective(MeanOverFolds):
    """Negative log likelihood, in nats, of compact networks whose last block and head are Bayesian.

    Arguments are as for :class:`serkit.studies.tuning.inner.MeanOverFolds`. The networks that all
    trials start from are written to ``folder``, too.
    """

    name: str = "NLL"
    goal: str = "min"
    search: ClassifierSearch

    @property
    def baseline(self) -> BayesianRecipe:
        """Default settings, the baseline of the search."""
        recipe, search = BayesianRecipe(), self.search
        epochs, steps = search.bayesian_epochs, search.steps_per_epoch
        return replace(recipe, fit=replace(recipe.fit, epochs=epochs, steps_per_epoch=steps))

    @cached_property
    def folds(self) -> list[BayesianFold]:
        """Folds; networks are scored on the ``test`` partition of each fold."""
        folds = self.search.make_folds(self.folder)
        return [self._add_twin(partitions, index) for index, partitions in enumerate(folds)]

    def measure_fold(
        self,
        fold: BayesianFold,
        settings: BayesianRecipe,
        fraction: float,
        folder: Path,
        verbose: int,
    ) -> dict[str, float]:
        """Train a Bayesian network for a fraction of its epochs, and score it.

        Arguments and errors are as for :meth:`MeanOverFolds.measure_fold`.

        Returns:
            ``score``, the negative log likelihood in nats; ``uar``; and ``ece``, the expected
            calibration error. All three are computed from the mean probabilities of 30 samples of
            the network. UAR and ECE are from 0 to 1.
        """
        partitions, fit = fold.partitions, shortened(settings.fit, fraction)
        split = partitions.split
        model = from_deterministic(
            fold.twin,
            settings.delta,
            layers=last_block(fold.twin),
            settings=settings.weights,
            seed=fold.seed,
        )
        partitions.fit(
            model,
            fit,
            fold.seed,
            folder,
            augment=functools.partial(mask, settings=self.search.masks),
            callbacks=(KLWarmup(len(split.train), fit.epochs // 2, settings.kl),),
            verbose=verbose,
        )
        network, spectrograms = SampledNetwork(model), partitions.spectrograms(split.test)
        samples = predict_samples(network, spectrograms, _SAMPLES, fold.seed)
        probabilities = samples.mean(axis=0)
        truth = partitions.labels(split.test)
        uar = score(truth, probabilities.argmax(axis=1), len(partitions.classes)).uar
        loss = negative_log_likelihood(probabilities, truth)
        return {"score": loss, "uar": uar, "ece": reliability(probabilities, truth).ece}

    def _add_twin(self, partitions: Partitions, index: int) -> BayesianFold:
        """Train the network that the Bayesian networks of a fold start from, or load it."""
        seed = derive_seed(self.search.seed, "fold", index)
        folder = self.folder / f"fold-{index + 1}"
        twin_file = folder / "twin.keras"
        if not twin_file.exists():
            # Without label smoothing, because the Bayesian network is meant to improve the
            # probabilities of this network.
            epochs, steps = self.search.epochs, self.search.steps_per_epoch
            fit = FitSettings(epochs=epochs, steps_per_epoch=steps, keep="last")
            recipe = CompactRecipe(fit=fit)
            twin = train_compact(partitions, self.search, recipe, 1.0, seed, folder, verbose=0)
            with replacing(twin_file) as partial:
                twin.save(partial)
        return BayesianFold(partitions, keras.models.load_model(twin_file), seed)
