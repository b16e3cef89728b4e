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


def inner_parts(
    roots: Sequence[Path | str],
    label_set: str,
    spec: SpectrogramSpec,
    folds: int,
    seed: int,
    folder: Path,
    naming: Naming | None = None,
    live: WaveAugmentation | None = None,
) -> list[Partitions]:
    """Split the speakers of the outer training partition into folds.

    The outer split is that of :func:`serkit.datasets.protocols.hold_out` for the same seed.

    Args:
        roots: folders of recordings.
        label_set: ``emotion`` or ``gender_emotion``.
        spec: settings of the spectrograms.
        folds: number of folds, at least 3.
        seed: seed of both splits.
        folder: folder for the spectrograms, and for ``split.json`` of the outer split.
        naming: naming scheme of the user's own recordings.
        live: as for :class:`serkit.studies.cross_validation.CrossValidation`.

    Returns:
        For each fold its spectrograms and labels, with a split of outer training speakers:
        ``train`` for fitting, ``validation`` for early stopping, ``test`` for scoring. Each speaker
        is in ``test`` once.

    Raises:
        InputError: if there are too few speakers.
    """
    corpus = open_recordings(roots, naming=naming).corpus
    spectrograms = compute_spectrograms(corpus, spec, cache=folder / "spectrograms")
    outer = hold_out(corpus, label_set, seed)
    outer.write(folder / "split.json")
    if len(inside := sorted(outer.train.speakers())) < folds:
        raise InputError(
            f"`folds` must be at most {len(inside)}, the number of speakers in the training "
            f"partition ({', '.join(inside)}; all recordings have {len(corpus.speakers())} "
            f"speakers). Received: {folds}."
        )
    if live is not None:
        spectrograms = live_spectrograms(corpus, spectrograms, spec, live)
    splits = k_fold(outer.train, label_set, seed, folds=folds)
    return [Partitions(corpus, split, spectrograms, label_set) for split in splits]


class MeanOverFolds(ABC):
    """Objective that is a mean over folds.

    The results of finished folds are stored, so that a resumed trial does not repeat them.

    Args:
        search: data and training settings.
        folder: folder for the files that all trials need, such as spectrograms.

    Attributes:
        name: name of the score in messages and tables.
        goal: ``min`` or ``max``.
    """

    name: str
    goal: str

    def __init__(self, search: Any, folder: Path) -> None:
        self.search: Any = search
        self.folder: Path = folder

    @property
    @abstractmethod
    def base(self) -> Any:
        """Default settings, the baseline of the search."""

    @property
    @abstractmethod
    def folds(self) -> Sequence[Any]:
        """Data of each fold for training and scoring, made once.

        Raises:
            InputError: if there are too few speakers, or too few clips of a class.
        """

    @abstractmethod
    def measured(
        self, fold: Any, settings: Any, share: float, folder: Path, verbose: int
    ) -> dict[str, float]:
        """Train on a fold, and score the result on held-out speakers.

        Args:
            fold: one of :attr:`folds`.
            settings: settings of the trial.
            share: fraction of a full training run, above 0 and at most 1.
            folder: folder of this training run; an interrupted training run resumes from there.
            verbose: as for Keras' ``fit``.

        Returns:
            ``score``, and other numbers by name.

        Raises:
            DivergedError: if the training run diverges with these settings.
        """

    def prepare(self) -> None:
        """Compute what all trials need, such as spectrograms."""
        _ = self.folds

    def score(self, settings: Any, share: float, place: Path, verbose: int = 0) -> Outcome:
        """Train and score on each fold, and return the mean score over folds.

        Args:
            settings: settings of the trial, a dataclass.
            share: fraction of a full training run, above 0 and at most 1.
            place: folder of the trial; an interrupted trial resumes from there.
            verbose: as for Keras' ``fit``.

        Raises:
            TrialFailedError: if a training run diverges, or the mean score is not finite.
        """
        rows = []
        for number, fold in enumerate(self.folds, 1):
            kept = place / f"fold-{number}.csv"
            if not kept.exists():
                try:
                    row = self.measured(fold, settings, share, place / f"fold-{number}", verbose)
                except DivergedError as error:
                    raise TrialFailedError(f"fold {number}: {error}") from error
                with replacing(kept) as partial:
                    pd.DataFrame([row]).to_csv(partial, index=False, lineterminator="\n")
            rows.append(pd.read_csv(kept).iloc[0].to_dict())
        # Otherwise the graphs of dozens of networks would accumulate in one process.
        keras.utils.clear_session()
        values = tuple(row.pop("score") for row in rows)
        details = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
        return Outcome(float(np.mean(values)), values, details)
