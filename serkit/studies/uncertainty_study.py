"""Several predictors on the same clips of a fold."""

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pandas as pd

from serkit.files import replacing
from serkit.layers.variational import KLWarmup
from serkit.metrics.calibration import negative_log_likelihood, uncertainty
from serkit.models.bayesian import from_deterministic
from serkit.models.fitting import FitSettings
from serkit.models.frozen_features import Augment
from serkit.seeds import derive_seed
from serkit.studies.cross_validation import FoldRun
from serkit.studies.partitions import remove_checkpoint
from serkit.studies.search_spaces import BayesianRecipe
from serkit.training.batches import Source
from serkit.uncertainty.ood import FeatureDensity
from serkit.uncertainty.predictors import Predictor, SampledNetwork, predict_samples
from serkit.uncertainty.temperature import scale_temperature

ANSWERS = "answers.csv"
"""Name of the file in a fold's folder that exists once all predictors are evaluated."""


class UncertaintyStudy:
    """Train the networks of a fold, and evaluate predictors on test clips and OOD inputs.

    Args:
        fold: a fold of the cross-validation.
        ood_sounds: spectrograms of out-of-distribution inputs, by kind; they have no true class.
        samples: number of samples from each predictor.
    """

    def __init__(
        self, fold: FoldRun, ood_sounds: Mapping[str, npt.NDArray[Any]], samples: int = 30
    ) -> None:
        self.fold: FoldRun = fold
        self.samples: int = samples
        self._inputs = {"known": fold.parts.of(fold.parts.split.test), **ood_sounds}
        self._tables: list[pd.DataFrame] = []
        # Cached, because several methods need the scores of the same network and spectrograms.
        self._density = functools.cache(self._fitted_density)
        self._ood_score = functools.cache(
            lambda model, kind: self._density(model).ood_score(self._inputs[kind])
        )

    def train(
        self,
        name: str,
        build: Callable[[int], keras.Model],
        settings: FitSettings,
        augment: Augment | None = None,
        kl: float | None = None,
        weights: str | Path = "none",
    ) -> keras.Model:
        """Train a network on the fold's training partition, or load it if it is stored.

        Args:
            name: name of the network's folder in the folder of the fold.
            build: function from a seed to a network.
            settings: settings of the training run.
            augment: augmentation of the training batches.
            kl: for a Bayesian network, factor of the final weight of the KL divergence, reached
                after half of the epochs, see :class:`serkit.layers.variational.KLWarmup`. None for
                other networks.
            weights: initial weights, see :meth:`serkit.studies.cross_validation.FoldRun.fit`.
        """
        folder = self.fold.folder / name
        kept = folder / "model.keras"
        if kept.exists():
            return keras.models.load_model(kept)
        model = build(derive_seed(self.fold.network_seed, name))
        clips = len(self.fold.parts.split.train)
        warm = () if kl is None else (KLWarmup(clips, settings.epochs // 2, kl),)
        self.fold.fit(
            model, settings, augment=augment, callbacks=warm, folder=folder, weights=weights
        )
        with replacing(kept) as partial:
            model.save(partial)
        remove_checkpoint(folder)
        return model

    def train_bayesian(
        self,
        name: str,
        twin: keras.Model,
        deltas: Sequence[float],
        recipe: BayesianRecipe,
        augment: Augment | None = None,
        layers: Collection[str] | None = None,
    ) -> keras.Model:
        """Train Bayesian networks from a trained network (MOPED), one per delta; return the best.

        The best network has the lowest negative log likelihood on the validation partition.

        Args:
            name: first half of the names of the networks' folders; the delta is appended.
            twin: trained network that the Bayesian networks start from.
            deltas: values of ``delta`` for :func:`serkit.models.bayesian.from_deterministic`.
            recipe: settings of the networks and their training runs, except ``delta``.
            augment: augmentation of the training batches.
            layers: see :func:`serkit.models.bayesian.from_deterministic`.
        """
        found: list[tuple[float, keras.Model]] = []
        validation, parts = self.fold.validation, self.fold.parts
        labels = parts.labels(parts.split.validation)
        for delta in deltas:

            def build(seed: int, delta: float = delta) -> keras.Model:
                return from_deterministic(
                    twin, delta, layers=layers, settings=recipe.weights, seed=seed
                )

            model = self.train(f"{name}-{delta}", build, recipe.fit, augment, recipe.kl)
            samples = self._samples(SampledNetwork(model), validation.spectrograms)
            loss = negative_log_likelihood(samples.mean(axis=0), labels)
            print(f"{name}, delta {delta}: NLL of validation speakers {loss:.3f}", flush=True)
            found.append((np.nan_to_num(loss, nan=np.inf), model))
        return min(found, key=lambda one: one[0])[1]

    def with_temperature(self, predictor: Predictor) -> Predictor:
        """Return the predictor with a temperature that is fitted on the validation speakers."""
        return scale_temperature(
            predictor,
            self.fold.validation,
            self.fold.parts.split.speakers,
            n=self.samples,
            seed=self.fold.network_seed,
        )

    def evaluate(
        self, method: str, predictor: Predictor, models: Sequence[keras.Model], twin: str = ""
    ) -> None:
        """Evaluate a predictor on the test partition and the OOD inputs.

        Args:
            method: name of the predictor.
            predictor: the predictor.
            models: networks of the predictor; the OOD score is the mean over these networks.
            twin: name of the method to compare the predictor with; empty for none.
        """
        parts = self.fold.parts
        test = parts.split.test
        for kind in self._inputs:
            found = self._predictions(predictor, models, kind)
            clips = test.clips if kind == "known" else None
            found = found.assign(
                method=method,
                twin=twin,
                kind=kind,
                truth=test.labels(parts.label_set) if clips else "",
                speaker=[clip.speaker for clip in clips] if clips else "",
            )
            self._tables.append(found)

    def write(self) -> pd.DataFrame:
        """Write all predictions to the fold's folder, which marks the fold as done.

        Returns:
            A table with one row for each method and clip: ``seed``, ``fold``, ``method``, ``twin``,
            ``kind`` (``known`` for test clips, or the kind of an OOD input), ``speaker``,
            ``truth``, ``total``, ``aleatoric`` and ``epistemic`` (uncertainties in nats),
            ``strangeness`` (OOD score of :class:`serkit.uncertainty.ood.FeatureDensity`), and the
            probabilities ``p_<label>``. ``speaker`` and ``truth`` are empty for OOD inputs.
        """
        found = pd.concat(self._tables)
        first = ["method", "twin", "kind", "speaker", "truth"]
        return self.fold.keep(
            found[[*first, *found.columns.difference(first, sort=False)]], ANSWERS
        )

    def _predictions(
        self, predictor: Predictor, models: Sequence[keras.Model], kind: str
    ) -> pd.DataFrame:
        samples = self._samples(predictor, self._inputs[kind])
        unsure = uncertainty(samples)
        names = ("total", "aleatoric", "epistemic")
        values = {name: getattr(unsure, name) for name in names}
        values["strangeness"] = np.mean([self._ood_score(model, kind) for model in models], axis=0)
        for number, label in enumerate(self.fold.parts.classes):
            values[f"p_{label}"] = samples.mean(axis=0)[:, number]
        return pd.DataFrame(values)

    def _samples(self, predictor: Predictor, spectrograms: Source) -> npt.NDArray[Any]:
        return predict_samples(predictor, spectrograms, self.samples, self.fold.network_seed)

    def _fitted_density(self, model: keras.Model) -> FeatureDensity:
        parts = self.fold.parts
        train = parts.examples(parts.split.train)
        return FeatureDensity(model, train, self.fold.validation, parts.split.speakers)
