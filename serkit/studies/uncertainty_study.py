"""Train and evaluate several predictors on the same clips of a fold."""

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pandas as pd

from serkit.datasets.corpus import Clip, Corpus
from serkit.files import replacing
from serkit.layers.variational import KLWarmup
from serkit.metrics.calibration import negative_log_likelihood, uncertainty
from serkit.models.bayesian import from_deterministic
from serkit.models.fitting import FitSettings
from serkit.models.frozen_features import Augment
from serkit.models.linear_head import fit_head_network
from serkit.seeds import derive_seed
from serkit.studies.cross_validation import FoldRun
from serkit.studies.partitions import remove_checkpoint
from serkit.studies.search_spaces import BayesianRecipe
from serkit.training.batches import Source
from serkit.uncertainty.ood import FeatureDensity, TrainingDistance
from serkit.uncertainty.predictors import Predictor, SampledNetwork, predict_samples
from serkit.uncertainty.temperature import scale_temperature

ANSWERS = "answers.csv"
"""Name of the file in a fold's folder that exists once all predictors are evaluated."""


class UncertaintyStudy:
    """Train the networks of a fold, and evaluate predictors on test clips and OOD inputs.

    Args:
        fold: a fold of the cross-validation, of spectrograms or of an encoder's features.
        ood_sounds: spectrograms or features of out-of-distribution inputs, by kind; they have no
            true class.
        samples: number of samples from each predictor.
    """

    def __init__(
        self, fold: FoldRun, ood_sounds: Mapping[str, npt.NDArray[Any]], samples: int = 30
    ) -> None:
        self.fold: FoldRun = fold
        self.samples: int = samples
        test_clips = fold.partitions.spectrograms(fold.partitions.split.test)
        self._inputs_by_kind = {"known": test_clips, **ood_sounds}
        self._tables: list[pd.DataFrame] = []
        # Several methods need the density and the scores of the same network.
        self._density = functools.cache(self._fit_density)
        self._ood_score = functools.cache(self._compute_ood_score)
        has_features = test_clips.ndim == 2
        self._distance = self._fit_distance() if has_features else None

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
        model_file = folder / "model.keras"
        if model_file.exists():
            return keras.models.load_model(model_file)
        model = build(derive_seed(self.fold.network_seed, name))
        clip_count = len(self.fold.partitions.split.train)
        callbacks = () if kl is None else (KLWarmup(clip_count, settings.epochs // 2, kl),)
        self.fold.fit(
            model, settings, augment=augment, callbacks=callbacks, folder=folder, weights=weights
        )
        with replacing(model_file) as partial:
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
            name: start of the names of the networks' folders; the delta is appended.
            twin: trained network that the Bayesian networks start from.
            deltas: values of ``delta`` for :func:`serkit.models.bayesian.from_deterministic`.
            recipe: settings of the networks and their training runs, except ``delta``.
            augment: augmentation of the training batches.
            layers: see :func:`serkit.models.bayesian.from_deterministic`.
        """
        validation, partitions = self.fold.validation, self.fold.partitions
        labels = partitions.labels(partitions.split.validation)

        def build(delta: float, seed: int) -> keras.Model:
            return from_deterministic(
                twin, delta, layers=layers, settings=recipe.weights, seed=seed
            )

        models: list[keras.Model] = []
        losses: list[float] = []
        for delta in deltas:
            build_with_delta = functools.partial(build, delta)
            model = self.train(f"{name}-{delta}", build_with_delta, recipe.fit, augment, recipe.kl)
            samples = self._samples(SampledNetwork(model), validation.spectrograms)
            loss = negative_log_likelihood(samples.mean(axis=0), labels)
            print(f"{name}, delta {delta}: NLL of validation speakers {loss:.3f}", flush=True)
            models.append(model)
            losses.append(np.nan_to_num(loss, nan=np.inf))
        return models[int(np.argmin(losses))]

    def fit_head(self, dropout: float = 0.0, seed: int = 0) -> keras.Model:
        """Fit a linear classifier of features on the fold's training partition.

        Args:
            dropout: see :func:`serkit.models.linear_head.fit_head_network`.
            seed: seed of the dropout.
        """
        partitions = self.fold.partitions
        train = partitions.to_fit(partitions.split.train)
        return fit_head_network(
            train, partitions.split.speakers, len(partitions.classes), dropout=dropout, seed=seed
        )

    def fit_heads(self, count: int) -> list[keras.Model]:
        """Fit linear classifiers of features, each on other training speakers.

        The fit has no random numbers. So the classifiers of an ensemble differ by the clips: each
        has as many draws of a training speaker, with replacement, as there are such speakers.

        Args:
            count: number of classifiers.

        Source: bagging, Breiman (1996), doi:10.1007/BF00058655, of speakers in place of clips.
        """
        partitions = self.fold.partitions
        split, classes = partitions.split, len(partitions.classes)
        heads = []
        for number in range(count):
            rng = np.random.default_rng(derive_seed(self.fold.network_seed, "heads", number))
            train = _drawn_speakers(split.train, rng)
            # A class without any clip cannot be fitted.
            while len(train.classes(partitions.label_set)) < classes:
                train = _drawn_speakers(split.train, rng)
            heads.append(fit_head_network(partitions.to_fit(train), split.speakers, classes))
        return heads

    def with_temperature(self, predictor: Predictor) -> Predictor:
        """Return the predictor with a temperature, which is fitted on the validation partition."""
        return scale_temperature(
            predictor,
            self.fold.validation,
            self.fold.partitions.split.speakers,
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
        partitions = self.fold.partitions
        test = partitions.split.test
        for kind in self._inputs_by_kind:
            is_test = kind == "known"
            table = self._predict(predictor, models, kind).assign(
                method=method,
                twin=twin,
                kind=kind,
                truth=test.labels(partitions.label_set) if is_test else "",
                speaker=[clip.speaker for clip in test.clips] if is_test else "",
            )
            self._tables.append(table)

    def write(self) -> pd.DataFrame:
        """Write all predictions to the fold's folder, which marks the fold as done.

        Returns:
            A table with one row for each method and clip: ``seed``, ``fold``, ``method``, ``twin``,
            ``kind`` (``known`` for test clips, or the kind of an OOD input), ``speaker``,
            ``truth``, ``total``, ``aleatoric`` and ``epistemic`` (uncertainties in nats),
            ``strangeness`` (OOD score of :class:`serkit.uncertainty.ood.FeatureDensity`), the
            probabilities ``p_<label>``, and, for an encoder's features, ``distance`` (OOD score of
            :class:`serkit.uncertainty.ood.TrainingDistance`, the same for every method).
            ``speaker`` and ``truth`` are empty for OOD inputs.
        """
        predictions = pd.concat(self._tables)
        first_columns = ["method", "twin", "kind", "speaker", "truth"]
        other_columns = predictions.columns.difference(first_columns, sort=False)
        return self.fold.write_table(predictions[[*first_columns, *other_columns]], ANSWERS)

    def _predict(
        self, predictor: Predictor, models: Sequence[keras.Model], kind: str
    ) -> pd.DataFrame:
        """Return uncertainties, OOD scores and probabilities of the inputs of a kind as a table."""
        samples = self._samples(predictor, self._inputs_by_kind[kind])
        uncertainties = uncertainty(samples)
        ood_scores = [self._ood_score(model, kind) for model in models]
        columns = {
            "total": uncertainties.total,
            "aleatoric": uncertainties.aleatoric,
            "epistemic": uncertainties.epistemic,
            "strangeness": np.mean(ood_scores, axis=0),
        }
        probabilities = samples.mean(axis=0)
        for number, label in enumerate(self.fold.partitions.classes):
            columns[f"p_{label}"] = probabilities[:, number]
        if self._distance is not None:
            columns["distance"] = self._distance.ood_score(self._inputs_by_kind[kind])
        return pd.DataFrame(columns)

    def _samples(self, predictor: Predictor, spectrograms: Source) -> npt.NDArray[Any]:
        return predict_samples(predictor, spectrograms, self.samples, self.fold.network_seed)

    def _fit_density(self, model: keras.Model) -> FeatureDensity:
        partitions = self.fold.partitions
        train = partitions.examples(partitions.split.train)
        return FeatureDensity(model, train, self.fold.validation, partitions.split.speakers)

    def _compute_ood_score(self, model: keras.Model, kind: str) -> npt.NDArray[Any]:
        return self._density(model).ood_score(self._inputs_by_kind[kind])

    def _fit_distance(self) -> TrainingDistance:
        partitions = self.fold.partitions
        train = partitions.split.train
        speakers = [clip.speaker for clip in train.clips]
        return TrainingDistance.fit(partitions.spectrograms(train), speakers)


def _drawn_speakers(clips: Corpus, rng: np.random.Generator) -> Corpus:
    """Return the clips of speakers drawn with replacement; clips of one drawn twice count twice."""
    clips_by_speaker: dict[str, list[Clip]] = {}
    for clip in clips.clips:
        clips_by_speaker.setdefault(clip.speaker, []).append(clip)
    names = sorted(clips_by_speaker)
    drawn = [clip for name in rng.choice(names, len(names)) for clip in clips_by_speaker[name]]
    return Corpus(tuple(drawn), clips.roots)
