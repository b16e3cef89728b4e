"""How likely a Bayesian network finds the truth about speakers whom it has not heard."""

import functools
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import keras

from serkit.audio.masking import mask
from serkit.classifiers.bayesian import last_block
from serkit.classifiers.fitting import fit_classifier
from serkit.classifiers.moped import from_deterministic
from serkit.classifiers.settings import FitSettings
from serkit.classifiers.spaces import BayesianRecipe, CompactRecipe
from serkit.evaluation.calibration import reliability
from serkit.evaluation.metrics import score
from serkit.evaluation.proper_scores import negative_log_likelihood
from serkit.files import replacing
from serkit.layers.divergence import KLWarmup
from serkit.seeds import derive_seed
from serkit.trials.cross_validation import forget_training
from serkit.trials.parts import Parts
from serkit.tuning.classifier_objective import ClassifierSearch, shortened, trained_compact
from serkit.tuning.inner import OverFolds
from serkit.uncertainty.predictor import predict_samples
from serkit.uncertainty.sampled import SampledNetwork

_SAMPLES = 30


@dataclass(frozen=True)
class BayesianFold:
    """A fold, and the trained network that all trials go on from."""

    parts: Parts
    twin: keras.Model
    seed: int


class BayesianObjective(OverFolds):
    """Negative log likelihood, in nats, of compact networks whose last block and head are Bayesian.

    Args:
        search: what is trained on what.
        folder: gets the spectrograms, and the networks that all trials go on from.

    Raises:
        InputError: if there are too few speakers.
    """

    name, goal = "NLL", "min"

    def __init__(self, search: ClassifierSearch, folder: Path) -> None:
        self.search, self._folder = search, folder

    @property
    def base(self) -> BayesianRecipe:
        """serkit's own, which is to beat."""
        found, search = BayesianRecipe(), self.search
        epochs, steps = search.bayesian_epochs, search.steps_per_epoch
        return replace(found, fit=replace(found.fit, epochs=epochs, steps_per_epoch=steps))

    @cached_property
    def folds(self) -> list[BayesianFold]:
        """Of each, ``test`` is scored on."""
        return [
            self._fold(parts, number)
            for number, parts in enumerate(self.search.parts(self._folder))
        ]

    def measured(
        self, fold: BayesianFold, settings: BayesianRecipe, share: float, folder: Path, verbose: int
    ) -> dict[str, float]:
        """Go on from the trained network, for a share of the epochs, and score what comes of it.

        Arguments and errors as for :meth:`serkit.tuning.inner.OverFolds.measured`.

        Returns:
            ``score``, the negative log likelihood of 30 samples' mean; its ``uar``, and ``ece``,
            the calibration error, both from 0 to 1.
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
        fit_classifier(
            *(model, parts.to_fit(split.train), parts.examples(split.validation), split.speakers),
            *(fit, fold.seed, folder),
            augment=functools.partial(mask, settings=self.search.masks),
            callbacks=(KLWarmup(len(split.train), fit.epochs // 2, settings.kl),),
            verbose=verbose,
        )
        forget_training(folder)
        network, pictures = SampledNetwork(model), parts.of(split.test)
        found = predict_samples(network, pictures, _SAMPLES, fold.seed).mean(axis=0)
        truth = parts.labels(split.test)
        uar = score(truth, found.argmax(axis=1), len(parts.classes)).uar
        loss, ece = negative_log_likelihood(found, truth), reliability(found, truth).ece
        return {"score": loss, "uar": uar, "ece": ece}

    def _fold(self, parts: Parts, number: int) -> BayesianFold:
        seed = derive_seed(self.search.seed, "fold", number)
        folder = self._folder / f"fold-{number + 1}"
        kept = folder / "twin.keras"
        if not kept.exists():
            # Without smoothing: its probabilities are what is to be mended.
            epochs, steps = self.search.epochs, self.search.steps_per_epoch
            fit = FitSettings(epochs=epochs, steps_per_epoch=steps, keep="last")
            recipe = CompactRecipe(fit=fit)
            model = trained_compact(parts, self.search, recipe, 1.0, seed, folder, verbose=0)
            with replacing(kept) as partial:
                model.save(partial)
        return BayesianFold(parts, keras.models.load_model(kept), seed)
