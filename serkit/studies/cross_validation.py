"""Cross-validation by speaker: every clip is tested once per seed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy.typing as npt
import pandas as pd

from serkit.audio.augmentation import WaveAugmentation
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.datasets.audit import open_recordings
from serkit.datasets.corpus import Corpus
from serkit.datasets.custom import Naming
from serkit.datasets.feature_table import FeatureTable
from serkit.datasets.protocols import k_fold
from serkit.datasets.splits import Split
from serkit.errors import InputError
from serkit.files import replacing
from serkit.models.fitting import FitSettings, fit_classifier
from serkit.models.frozen_features import Augment
from serkit.models.pretrained import speakers_of
from serkit.progress import Progress, SilentProgress
from serkit.seeds import derive_seed
from serkit.studies.partitions import (
    Inputs,
    Partitions,
    compute_inputs,
    live_spectrograms,
    predict_clips,
    remove_checkpoint,
    without_speaker_means,
)
from serkit.training.examples import Examples
from serkit.training.live import LiveSpectrograms
from serkit.training.shards import Rows

PREDICTIONS = "predictions.csv"
"""Name of the file of predictions in a fold's folder."""


@dataclass(frozen=True)
class FoldRun:
    """One fold for one seed: its data, training run and results.

    Attributes:
        seed: seed of the folds and the training run.
        number: number of the fold, from 1.
        partitions: spectrograms and labels of the split's partitions.
        partitions_at_other_speeds: the same partitions, with recordings at other speeds.
        folder: folder of this fold.
        features: cache folder of the outputs of frozen layers; all training runs use the same.
        verbose: as for Keras' ``fit``.
    """

    seed: int
    number: int
    partitions: Partitions
    partitions_at_other_speeds: tuple[Partitions, ...]
    folder: Path
    features: Path
    verbose: int = 2

    @property
    def network_seed(self) -> int:
        """Seed of weights, dropout, order of examples and augmentation."""
        return derive_seed(self.seed, "fold", self.number)

    @property
    def validation(self) -> Examples:
        """Examples of the validation partition."""
        return self.partitions.examples(self.partitions.split.validation)

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
        """Train on the training partition at all speeds, see :mod:`serkit.models.fitting`.

        Args:
            model: model from spectrograms to logits.
            settings: training settings.
            augment: augmentation of training batches.
            callbacks: Keras callbacks.
            folder: folder of the training run; default: the fold's own.
            weights: ``imagenet``, ``none`` or the file of the weights that the model starts from.
                Only the speaker leakage guard uses this argument: a card next to the file names
                the speakers that the weights were trained on. The weights are not loaded.

        Returns:
            One dictionary per epoch, see :func:`serkit.models.fitting.fit_classifier`.

        Raises:
            LeakError: if the weights were trained on speakers who are not training speakers.
        """
        split = self.partitions.split
        split.speakers.require_training(speakers_of(weights))
        all_speeds = (self.partitions, *self.partitions_at_other_speeds)
        return fit_classifier(
            model,
            Examples.joined([partitions.to_fit(split.train) for partitions in all_speeds]),
            self.validation,
            split.speakers,
            settings,
            seed=self.network_seed,
            folder=folder or self.folder,
            augment=augment,
            features=self.features,
            callbacks=callbacks,
            verbose=self.verbose,
        )

    def write_table(self, table: pd.DataFrame, name: str) -> pd.DataFrame:
        """Write a table with the columns ``seed`` and ``fold`` in front to the fold's folder.

        Args:
            table: results of the fold.
            name: name of the file.

        Returns:
            The table as it is written.
        """
        with_fold = table.assign(seed=self.seed, fold=self.number)
        with_fold = with_fold[["seed", "fold", *table.columns]]
        with replacing(self.folder / name) as partial:
            with_fold.to_csv(partial, index=False, lineterminator="\n")
        return with_fold

    def test(self, model: keras.Model) -> pd.DataFrame:
        """Predict the test partition; write predictions and model to the fold's folder.

        The fold is then done. The training checkpoint is removed; for VGG16 it takes half a
        gigabyte.

        Returns:
            A row per clip: ``seed``, ``fold`` and the columns of
            :func:`serkit.studies.partitions.predict_clips`.
        """
        with replacing(self.folder / "model.keras") as partial:
            model.save(partial)
        # This file marks the fold as done.
        predictions = predict_clips(model, self.partitions, self.partitions.split.test)
        predictions = self.write_table(predictions, PREDICTIONS)
        remove_checkpoint(self.folder)
        return predictions


class CrossValidation:
    """Speaker-disjoint folds of recordings, for several seeds.

    Args:
        roots: folders of recordings.
        label_set: ``emotion`` or ``gender_emotion``.
        spec: settings of the spectrograms; or the encoder, or the user's own features, that take
            their place.
        folder: folder for the spectrograms, and for a folder for each fold and seed.
        seeds: seeds; all folds are run once for each seed.
        folds: number of folds, at least 3; each is the test partition once.
        speeds: speed factors at which recordings are used for training, in addition to 1.
        results: name of the table that marks a fold as done, see :meth:`FoldRun.write_table`.
        naming: naming scheme of the user's own recordings.
        progress: shows progress bars; default: none.
        live: augmentation of waveforms. With this, the spectrograms of training batches are
            computed at each step from augmented waveforms. With None, networks are trained on
            precomputed spectrograms.
        speaker_normalization: whether the mean of each speaker's clips is taken off their features.
            Results are then transductive: they need all clips of a test speaker.

    Attributes:
        classes: class names, in the order of the logits.
        spec: settings of the spectrograms, the encoder, or the user's own features.

    Raises:
        InputError: if there is only one class, there are too few speakers, or ``speeds`` and
            ``live`` are both given.
    """

    def __init__(
        self,
        roots: Sequence[Path | str],
        label_set: str,
        spec: Inputs,
        folder: Path,
        seeds: Sequence[int],
        folds: int = 5,
        speeds: Sequence[float] = (),
        results: str = PREDICTIONS,
        naming: Naming | None = None,
        live: WaveAugmentation | None = None,
        progress: Progress | None = None,
        speaker_normalization: bool = False,
    ) -> None:
        # Without progress bars, a line for each epoch.
        self._verbose = progress.verbose if progress else 2
        progress = progress or SilentProgress()
        if speeds and live is not None:
            raise InputError(
                f"`speeds` must be empty with `live`, which has a range of speeds of its own. "
                f"Received: {tuple(speeds)}."
            )
        self.folder: Path = folder
        self.seeds: Sequence[int] = seeds
        self.folds: int = folds
        self.label_set: str = label_set
        self.spec: Inputs = spec
        self._results = results
        self._corpus = open_recordings(
            roots, progress.progress_bar("reading"), naming=naming
        ).corpus
        self.classes: tuple[str, ...] = self._corpus.classes(label_set)
        if len(self.classes) < 2:
            raise InputError(
                f"`roots` must have two or more classes of {label_set}. Received: "
                f"{', '.join(self.classes) or 'none'} in {', '.join(map(str, roots))}."
            )
        # Too few speakers are an error before the recordings are read.
        next(iter(k_fold(self._corpus, label_set, seeds[0], folds=folds)))
        self._spectrograms_at_speeds: Sequence[Rows | LiveSpectrograms | npt.NDArray[Any]]
        if isinstance(spec, FeatureTable):
            stored = [spec.of(self._corpus)]
        else:
            stored = [
                compute_inputs(
                    self._corpus,
                    spec,
                    folder / "spectrograms",
                    speed,
                    progress.progress_bar(
                        "computing" if speed == 1.0 else f"computing, speed {speed}"
                    ),
                )
                for speed in (1.0, *speeds)
            ]
        if speaker_normalization:
            names = [clip.speaker for clip in self._corpus.clips]
            stored = [without_speaker_means(features, names) for features in stored]
        self._spectrograms_at_speeds = stored
        if live is not None and isinstance(spec, SpectrogramSpec):
            assert isinstance(stored[0], Rows)
            live_rows = live_spectrograms(self._corpus, stored[0], spec, live)
            self._spectrograms_at_speeds = [live_rows]

    def __iter__(self) -> Iterator[FoldRun]:
        """Yield the folds that are not done, in order; an interrupted fold comes first."""
        return self.remaining(self._results)

    def remaining(self, table: str) -> Iterator[FoldRun]:
        """Yield the folds whose folder has no such table, see :meth:`FoldRun.write_table`."""
        for seed in self.seeds:
            splits = k_fold(self._corpus, self.label_set, seed, folds=self.folds)
            for number, split in enumerate(splits, 1):
                folder = self._folder(seed, number)
                if not (folder / table).exists():
                    split.write(folder / "split.json")
                    yield self._fold(seed, number, split, folder)

    def all_speakers(self, *, validation: bool) -> FoldRun:
        """Return a fold for the last training run, whose training partition has all speakers.

        Args:
            validation: whether the training run needs validation speakers. These are then those of
                the first fold; the other speakers are training speakers.
        """
        seed = self.seeds[0]
        first, *_ = k_fold(self._corpus, self.label_set, seed, folds=self.folds)
        nobody = Corpus((), self._corpus.roots)
        if validation:
            clips = (*first.train.clips, *first.test.clips)
            split = replace(first, train=replace(self._corpus, clips=clips), test=nobody)
        else:
            split = Split(self._corpus, nobody, nobody)
        return self._fold(seed, 0, split, self._folder(seed, 0))

    def has_begun(self) -> bool:
        """Return whether the training run of any fold has written a file."""
        paths = self.folder.glob("seed-*/fold-*/**/*")
        return any(path.is_file() and path.stem != "split" for path in paths)

    def predictions(self, table: str = "") -> pd.DataFrame:
        """Return a table of all folds that have it; default: the results, :meth:`FoldRun.test`."""
        numbers = range(1, self.folds + 1)
        folders = [self._folder(seed, number) for seed in self.seeds for number in numbers]
        paths = [folder / (table or self._results) for folder in folders]
        return pd.concat(
            [pd.read_csv(path, keep_default_na=False) for path in paths if path.exists()]
        )

    def _folder(self, seed: int, number: int) -> Path:
        return self.folder / f"seed-{seed}" / f"fold-{number}"

    def _fold(self, seed: int, number: int, split: Split, folder: Path) -> FoldRun:
        partitions = [
            Partitions(self._corpus, split, spectrograms, self.label_set)
            for spectrograms in self._spectrograms_at_speeds
        ]
        return FoldRun(
            seed=seed,
            number=number,
            partitions=partitions[0],
            partitions_at_other_speeds=tuple(partitions[1:]),
            folder=folder,
            features=self.folder / "features",
            verbose=self._verbose,
        )
