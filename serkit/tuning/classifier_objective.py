"""How well a compact network does on speakers whom it has not heard, inside the training part."""

import functools
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import keras
import numpy as np

from serkit.audio.masking import MaskSettings, mask
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.audio.strengths import augmentation_of
from serkit.classifiers.compact import compact
from serkit.classifiers.fitting import fit_classifier
from serkit.classifiers.settings import FitSettings
from serkit.classifiers.spaces import CompactRecipe
from serkit.corpora.labels import LABEL_SETS
from serkit.corpora.naming import Naming
from serkit.errors import DivergedError, check_choice, check_range
from serkit.evaluation.calibration import softmax
from serkit.evaluation.metrics import score
from serkit.evaluation.proper_scores import negative_log_likelihood
from serkit.judging.embedding import in_batches
from serkit.seeds import derive_seed
from serkit.trials.cross_validation import forget_training
from serkit.trials.parts import Parts
from serkit.tuning.inner import OverFolds, inner_parts


@dataclass(frozen=True)
class ClassifierSearch:
    """What classifiers are trained on and scored by.

    Attributes:
        roots: folders of recordings.
        label_set: ``emotion`` or ``gender_emotion``.
        folds: of the training part's speakers, at least 3; each is scored on once.
        epochs: of a whole training; of Bayesian networks, of those that they go on from.
        steps_per_epoch: batches of 32, or as many examples in others.
        bayesian_epochs: of a whole training of Bayesian networks.
        seed: of the split, the folds and the trainings.
        spec: spectrograms.
        masks: augmentation.
        naming: how recordings of the user's own are named.
        live: keys of :data:`serkit.audio.strengths.STRENGTHS`, augmentation of the waveforms of
            which the spectrograms of training batches are then computed at each step; None trains
            on those that are computed once.

    Raises:
        InputError: for a value out of range.
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

    def parts(self, folder: Path) -> list[Parts]:
        """The folds, see :func:`serkit.tuning.inner.inner_parts`."""
        return inner_parts(
            *(self.roots, self.label_set, self.spec, self.folds, self.seed, folder),
            naming=self.naming,
            live=None if self.live is None else augmentation_of(self.live),
        )


class ClassifierObjective(OverFolds):
    """UAR of compact networks on training speakers whom they have not heard.

    Args:
        search: what is trained on what.
        folder: gets the spectrograms.

    Raises:
        InputError: if there are too few speakers.
    """

    name, goal = "UAR", "max"

    def __init__(self, search: ClassifierSearch, folder: Path) -> None:
        self.search, self._folder = search, folder

    @property
    def base(self) -> CompactRecipe:
        """serkit's own, which is to beat."""
        found, search = CompactRecipe(), self.search
        fit = replace(found.fit, epochs=search.epochs, steps_per_epoch=search.steps_per_epoch)
        return replace(found, fit=fit)

    @cached_property
    def folds(self) -> list[Parts]:
        """Of each, ``test`` is scored on."""
        return self.search.parts(self._folder)

    def measured(
        self, fold: Parts, settings: CompactRecipe, share: float, folder: Path, verbose: int
    ) -> dict[str, float]:
        """Train a network, for a share of its epochs, and score it.

        Arguments and errors as for :meth:`serkit.tuning.inner.OverFolds.measured`.

        Returns:
            ``score``, the UAR, ``accuracy``, and ``nll``, the negative log likelihood in nats.
        """
        number = self.folds.index(fold)
        seed = derive_seed(self.search.seed, "fold", number)
        model = trained_compact(fold, self.search, settings, share, seed, folder, verbose)
        logits = in_batches(model, fold.of(fold.split.test))
        if not np.isfinite(logits).all():
            # Weights may be finite, and what comes of them is not.
            raise DivergedError("logits of the trained network are not finite")
        truth = fold.labels(fold.split.test)
        found = score(truth, logits.argmax(axis=1), len(fold.classes))
        loss = negative_log_likelihood(softmax(logits), truth)
        return {"score": found.uar, "accuracy": found.accuracy, "nll": loss}


def trained_compact(
    fold: Parts,
    search: ClassifierSearch,
    recipe: CompactRecipe,
    share: float,
    seed: int,
    folder: Path,
    verbose: int,
) -> keras.Model:
    """A compact network, trained on a fold's training part.

    Args:
        fold: of the training part's speakers.
        search: has the augmentation.
        recipe: network and training.
        share: of its epochs, above 0 and at most 1.
        seed: of weights, dropout, order and augmentation.
        folder: of the training.
        verbose: as for Keras' ``fit``.

    Raises:
        DivergedError: if a loss or a weight is no longer finite.
    """
    split = fold.split
    model = compact(len(fold.classes), fold.shape, recipe.network, seed)
    fit_classifier(
        *(model, fold.to_fit(split.train), fold.examples(split.validation), split.speakers),
        *(shortened(recipe.fit, share), seed, folder),
        augment=functools.partial(mask, settings=search.masks),
        verbose=verbose,
    )
    forget_training(folder)
    return model


def shortened(fit: FitSettings, share: float) -> FitSettings:
    """The same training for a share of its epochs, 1 at least."""
    return replace(fit, epochs=max(1, round(share * fit.epochs)))
