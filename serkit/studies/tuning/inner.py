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
from serkit.datasets.corpus import Corpus
from serkit.datasets.custom import Naming
from serkit.datasets.feature_table import FeatureTable
from serkit.datasets.protocols import hold_out, k_fold
from serkit.datasets.splits import Split
from serkit.errors import DivergedError, InputError, check_choice
from serkit.files import replacing
from serkit.studies.partitions import Inputs, Partitions, compute_inputs, live_spectrograms
from serkit.studies.tuning.records import Outcome, TrialFailedError
from serkit.training.shards import Rows


def inner_folds(
    roots: Sequence[Path | str],
    label_set: str,
    spec: Inputs,
    folds: int,
    seed: int,
    folder: Path,
    naming: Naming | None = None,
    live: WaveAugmentation | None = None,
    label: str = "",
    halves: bool = False,
) -> list[Partitions]:
    """Split the training speakers of a hold-out split into folds.

    The hold-out split is that of :func:`serkit.datasets.protocols.hold_out` for the same seed.

    Args:
        roots: folders of recordings.
        label_set: ``emotion`` or ``gender_emotion``.
        spec: settings of the spectrograms; or the encoder, or the user's own features, that take
            their place.
        folds: number of folds, at least 3, or 2 with ``halves``.
        seed: seed of both splits.
        folder: folder for the spectrograms, and for ``split.json`` of the hold-out split.
        naming: naming scheme of the user's own recordings.
        live: as for :class:`serkit.studies.cross_validation.CrossValidation`.
        label: a class that the recordings must have; empty for none.
        halves: whether validation and test partition are halves of what a fold holds out. Then each
            training speaker is in one of the two in one fold.

    Returns:
        For each fold its spectrograms and labels, with a split of the training speakers: ``train``
        for fitting, ``validation`` for early stopping, ``test`` for scoring. Each training speaker
        is in ``test`` in one fold.

    Raises:
        InputError: if there are too few speakers, or the class does not exist.
    """
    corpus = open_recordings(roots, naming=naming).corpus
    if label:
        check_choice("label", label, corpus.classes(label_set))
    outer_split = hold_out(corpus, label_set, seed)
    _require_training_speakers(corpus, outer_split, folds, halves)
    if isinstance(spec, FeatureTable):
        spectrograms = spec.of(corpus)
    else:
        spectrograms = compute_inputs(corpus, spec, folder / "spectrograms")
    outer_split.write(folder / "split.json")
    if live is not None:
        assert isinstance(spec, SpectrogramSpec)
        assert isinstance(spectrograms, Rows)
        spectrograms = live_spectrograms(corpus, spectrograms, spec, live)
    if halves:
        # The validation partition of a fold is the test partition of the next fold. So make twice
        # as many folds, and use every other one.
        splits = k_fold(outer_split.train, label_set, seed, folds=2 * folds)[::2]
    else:
        splits = k_fold(outer_split.train, label_set, seed, folds=folds)
    return [Partitions(corpus, split, spectrograms, label_set) for split in splits]


def _require_training_speakers(corpus: Corpus, split: Split, folds: int, halves: bool) -> None:
    speakers = sorted(split.train.speakers())
    speakers_per_fold, min_folds = (2, 2) if halves else (1, 3)
    max_folds = len(speakers) // speakers_per_fold
    if max_folds >= folds:
        return
    training_partition = (
        f"{len(speakers)} ({', '.join(speakers)}; all recordings have "
        f"{len(corpus.speakers())} speakers)"
    )
    if max_folds < min_folds:
        raise InputError(
            f"The training partition must have {min_folds * speakers_per_fold} or more speakers "
            f"for {min_folds} folds. Received: {training_partition}. Give recordings of more "
            "speakers."
        )
    raise InputError(
        f"`folds` must be at most {max_folds}, since the training partition's speakers are "
        f"{training_partition} and each fold needs {speakers_per_fold}. Received: {folds}."
    )


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
