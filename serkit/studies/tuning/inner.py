"""Folds of speakers inside the training partition, for a search."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from serkit.audio.augmentation import WaveAugmentation
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.datasets.audit import open_recordings
from serkit.datasets.custom import Naming
from serkit.datasets.protocols import hold_out, k_fold
from serkit.errors import DivergedError, InputError
from serkit.files import replacing
from serkit.studies.partitions import Partitions, live_spectrograms
from serkit.studies.tuning.records import Outcome, TrialFailedError
from serkit.training.spectrograms import compute_spectrograms


def inner_folds(
    roots: Sequence[Path | str],
    label_set: str,
    spec: SpectrogramSpec,
    folds: int,
    seed: int,
    folder: Path,
    naming: Naming | None = None,
    live: WaveAugmentation | None = None,
) -> list[Partitions]:
    """Split the training speakers of a hold-out split into folds.

    The hold-out split is that of :func:`serkit.datasets.protocols.hold_out` for the same seed.

    Args:
        roots: folders of recordings.
        label_set: ``emotion`` or ``gender_emotion``.
        spec: settings of the spectrograms.
        folds: number of folds, at least 3.
        seed: seed of both splits.
        folder: folder for the spectrograms, and for ``split.json`` of the hold-out split.
        naming: naming scheme of the user's own recordings.
        live: as for :class:`serkit.studies.cross_validation.CrossValidation`.

    Returns:
        For each fold its spectrograms and labels, with a split of the training speakers: ``train``
        for fitting, ``validation`` for early stopping, ``test`` for scoring. Each training speaker
        is in ``test`` in one fold.

    Raises:
        InputError: if there are too few speakers.
    """
    corpus = open_recordings(roots, naming=naming).corpus
    spectrograms = compute_spectrograms(corpus, spec, cache=folder / "spectrograms")
    outer_split = hold_out(corpus, label_set, seed)
    outer_split.write(folder / "split.json")
    training_speakers = sorted(outer_split.train.speakers())
    if len(training_speakers) < folds:
        raise InputError(
            f"`folds` must be at most {len(training_speakers)}, the number of speakers in the "
            f"training partition ({', '.join(training_speakers)}; all recordings have "
            f"{len(corpus.speakers())} speakers). Received: {folds}."
        )
    if live is not None:
        spectrograms = live_spectrograms(corpus, spectrograms, spec, live)
    splits = k_fold(outer_split.train, label_set, seed, folds=folds)
    return [Partitions(corpus, split, spectrograms, label_set) for split in splits]


class MeanOverFolds(ABC):
    """Objective of a search: a score that is a mean over folds.

    The results of finished folds are stored. A resumed trial does not repeat these folds.

    Args:
        search: data and training settings.
        folder: folder for the files that all trials need, such as spectrograms.

    Attributes:
        name: name of the score in messages and tables.
        goal: ``min`` or ``max``: whether a low or a high score is good.
    """

    name: str
    goal: str

    def __init__(self, search: Any, folder: Path) -> None:
        self.search: Any = search
        self.folder: Path = folder

    @property
    @abstractmethod
    def baseline(self) -> Any:
        """Default settings, the baseline of the search."""

    @property
    @abstractmethod
    def folds(self) -> Sequence[Any]:
        """Data of each fold for training and scoring; computed at the first use only.

        Raises:
            InputError: if there are too few speakers, or too few clips of a class.
        """

    @abstractmethod
    def measure_fold(
        self, fold: Any, settings: Any, fraction: float, folder: Path, verbose: int
    ) -> dict[str, float]:
        """Train on a fold, and score the result on held-out speakers.

        Args:
            fold: one of :attr:`folds`.
            settings: settings of the trial.
            fraction: fraction of a full training run, above 0 and at most 1.
            folder: folder of this training run; an interrupted training run resumes from there.
            verbose: as for Keras' ``fit``.

        Returns:
            The entry ``score``, and other numbers by name.

        Raises:
            DivergedError: if the training run diverges with these settings.
        """

    def prepare(self) -> None:
        """Compute what all trials need, such as spectrograms."""
        _ = self.folds

    def score(self, settings: Any, fraction: float, folder: Path, verbose: int = 0) -> Outcome:
        """Train and score on each fold, and return the mean score over folds.

        Args:
            settings: settings of the trial, a dataclass.
            fraction: fraction of a full training run, above 0 and at most 1.
            folder: folder of the trial; an interrupted trial resumes from there.
            verbose: as for Keras' ``fit``.

        Raises:
            TrialFailedError: if a training run diverges, or the mean score is not finite.
        """
        results = []
        for number, fold in enumerate(self.folds, 1):
            fold_folder, result_file = folder / f"fold-{number}", folder / f"fold-{number}.csv"
            if not result_file.exists():
                try:
                    result = self.measure_fold(fold, settings, fraction, fold_folder, verbose)
                except DivergedError as error:
                    raise TrialFailedError(f"fold {number}: {error}") from error
                with replacing(result_file) as partial:
                    pd.DataFrame([result]).to_csv(partial, index=False, lineterminator="\n")
            results.append(pd.read_csv(result_file).iloc[0].to_dict())
        # Otherwise the graphs of dozens of networks would accumulate in one process.
        keras.utils.clear_session()
        scores = tuple(result.pop("score") for result in results)
        details = {
            name: float(np.mean([result[name] for result in results])) for name in results[0]
        }
        return Outcome(float(np.mean(scores)), scores, details)
