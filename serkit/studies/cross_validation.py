"""Cross-validation by speaker: every clip is tested once per seed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import pandas as pd

from serkit.audio.augmentation import WaveAugmentation
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.datasets.audit import open_recordings
from serkit.datasets.custom import Naming
from serkit.datasets.protocols import k_fold
from serkit.datasets.splits import Split
from serkit.errors import InputError
from serkit.files import replacing
from serkit.models.fitting import FitSettings, fit_classifier
from serkit.models.frozen_features import Augment
from serkit.models.pretrained import speakers_of
from serkit.seeds import derive_seed
from serkit.studies.parts import Parts, live_spectrograms, predict_part
from serkit.training.examples import Examples
from serkit.training.spectrograms import compute_spectrograms

PREDICTIONS = "predictions.csv"
"""What a fold's folder holds as soon as the fold is done."""


@dataclass(frozen=True)
class Fold:
    """One training and what it is tested with.

    Attributes:
        seed: of the folds and the training.
        number: of the fold, from 1.
        parts: spectrograms and labels of the split's parts.
        views: the same of recordings at other speeds.
        folder: of this training.
        features: of frozen networks' outputs, which all trainings share.
    """

    seed: int
    number: int
    parts: Parts
    views: tuple[Parts, ...]
    folder: Path
    features: Path

    @property
    def network_seed(self) -> int:
        """Of weights, dropout, order and augmentation."""
        return derive_seed(self.seed, "fold", self.number)

    @property
    def validation(self) -> Examples:
        """Of the validation part."""
        return self.parts.examples(self.parts.split.validation)

    def fit(
        self,
        model: keras.Model,
        settings: FitSettings,
        *,
        augment: Augment | None = None,
        callbacks: tuple[keras.callbacks.Callback, ...] = (),
        folder: Path | None = None,
        weights: str | Path = "none",
    ) -> list[dict[str, float]]:
        """Train on all views of the training part, see :mod:`serkit.models.fitting`.

        Args:
            model: from spectrograms to logits.
            settings: of the training.
            augment: of its batches.
            callbacks: Keras' own and others.
            folder: of the training; default: the fold's own.
            weights: that the model begins with; a card beside such a file says whose recordings it
                was trained on.

        Raises:
            LeakError: if these weights were trained on anybody but training speakers.
        """
        split = self.parts.split
        split.speakers.require_training(speakers_of(weights))
        train = [view.to_fit(split.train) for view in (self.parts, *self.views)]
        return fit_classifier(
            *(model, Examples.joined(train), self.validation),
            *(split.speakers, settings, self.network_seed, folder or self.folder),
            augment=augment,
            features=self.features,
            callbacks=callbacks,
            verbose=2,
        )

    def keep(self, table: pd.DataFrame, name: str) -> pd.DataFrame:
        """A table of results in the fold's folder, with the fold's seed and number."""
        found = table.assign(seed=self.seed, fold=self.number)
        found = found[["seed", "fold", *table.columns]]
        with replacing(self.folder / name) as partial:
            found.to_csv(partial, index=False, lineterminator="\n")
        return found

    def test(self, model: keras.Model) -> pd.DataFrame:
        """Predict the test part, and keep that and the model in the fold's folder: it is done.

        What the training would have gone on from is removed: of VGG16 it is half a gigabyte.

        Returns:
            A row per clip: ``seed``, ``fold`` and what
            :func:`serkit.studies.parts.predict_part` gives.
        """
        with replacing(self.folder / "model.keras") as partial:
            model.save(partial)
        # Where it is, the fold is done.
        found = self.keep(predict_part(model, self.parts, self.parts.split.test), PREDICTIONS)
        forget_training(self.folder)
        return found


def forget_training(folder: Path) -> None:
    """Remove what a training would go on from, once its model is kept."""
    for name in ("state.npz", "best.weights.h5"):
        (folder / name).unlink(missing_ok=True)


class CrossValidation:
    """Speaker-disjoint folds of recordings, for several seeds.

    Args:
        roots: folders of recordings.
        label_set: ``emotion`` or ``gender_emotion``.
        spec: spectrograms.
        folder: gets the spectrograms and a folder for each training.
        seeds: one round of all folds for each.
        folds: how many, at least 3; each is the test part once.
        speeds: that recordings are played at to train on, beside their own.
        results: name of the table that a fold keeps last, see :meth:`Fold.keep`.
        naming: how recordings of the user's own are named.
        live: augmentation of waveforms, of which the spectrograms of training batches are then
            computed at each step; None trains on those that are computed once.

    Attributes:
        classes: their names, in the order of the logits.
        spec: spectrograms.

    Raises:
        InputError: if there is only one class, too few speakers, or ``speeds`` beside ``live``.
    """

    def __init__(
        self,
        roots: Sequence[Path | str],
        label_set: str,
        spec: SpectrogramSpec,
        folder: Path,
        seeds: Sequence[int],
        folds: int = 5,
        speeds: Sequence[float] = (),
        results: str = PREDICTIONS,
        naming: Naming | None = None,
        live: WaveAugmentation | None = None,
    ) -> None:
        if speeds and live is not None:
            raise InputError(
                f"`speeds` must be empty with `live`, which has a range of speeds of its own. "
                f"Received: {tuple(speeds)}."
            )
        self.folder, self.seeds, self.folds, self.label_set = folder, seeds, folds, label_set
        self.spec, self._results = spec, results
        self._corpus = open_recordings(roots, naming=naming).corpus
        self.classes = self._corpus.classes(label_set)
        if len(self.classes) < 2:
            raise InputError(
                f"only one class of {label_set} in {', '.join(map(str, roots))}: "
                f"{', '.join(self.classes) or 'none'}; valid are two or more"
            )
        self._views = [
            compute_spectrograms(self._corpus, spec, cache=folder / "spectrograms", speed=speed)
            for speed in (1.0, *speeds)
        ]
        if live is not None:
            self._views = [live_spectrograms(self._corpus, *self._views, spec, live)]

    def __iter__(self) -> Iterator[Fold]:
        """The folds that are not done yet, a killed one first."""
        for seed in self.seeds:
            splits = k_fold(self._corpus, self.label_set, seed, folds=self.folds)
            for number, split in enumerate(splits, 1):
                folder = self._folder(seed, number)
                if not (folder / self._results).exists():
                    split.write(folder / "split.json")
                    yield self._fold(seed, number, split, folder)

    def has_begun(self) -> bool:
        """Whether a training of any fold has left something."""
        left = self.folder.glob("seed-*/fold-*/**/*")
        return any(path.is_file() and path.stem != "split" for path in left)

    def predictions(self) -> pd.DataFrame:
        """Results of all folds that are done, see :meth:`Fold.test`."""
        every = [(seed, number) for seed in self.seeds for number in range(1, self.folds + 1)]
        paths = [self._folder(*each) / self._results for each in every]
        return pd.concat(
            [pd.read_csv(path, keep_default_na=False) for path in paths if path.exists()]
        )

    def _folder(self, seed: int, number: int) -> Path:
        return self.folder / f"seed-{seed}" / f"fold-{number}"

    def _fold(self, seed: int, number: int, split: Split, folder: Path) -> Fold:
        parts, *views = (Parts(self._corpus, split, view, self.label_set) for view in self._views)
        return Fold(seed, number, parts, tuple(views), folder, self.folder / "features")
