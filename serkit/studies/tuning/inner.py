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
from serkit.studies.parts import Parts, live_spectrograms
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
) -> list[Parts]:
    """Folds of the speakers of the training part that ``hold_out`` gives for the same seed.

    Args:
        roots: folders of recordings.
        label_set: ``emotion`` or ``gender_emotion``.
        spec: spectrograms.
        folds: how many, at least 3.
        seed: of both splits.
        folder: gets the spectrograms, and ``split.json`` of the outer split.
        naming: how recordings of the user's own are named.
        live: as for :class:`serkit.studies.cross_validation.CrossValidation`.

    Returns:
        For each fold its parts, all of training speakers: ``train`` to be fitted on,
        ``validation`` to stop by, ``test`` to be scored on. Each speaker is in ``test`` once.

    Raises:
        InputError: if there are too few speakers.
    """
    corpus = open_recordings(roots, naming=naming).corpus
    spectrograms = compute_spectrograms(corpus, spec, cache=folder / "spectrograms")
    outer = hold_out(corpus, label_set, seed)
    outer.write(folder / "split.json")
    if len(inside := sorted(outer.train.speakers())) < folds:
        raise InputError(
            f"{len(inside)} of the {len(corpus.speakers())} speakers are in the training part "
            f"({', '.join(inside)}), too few to split it into {folds} for the search; choose "
            "fewer folds, or give recordings of more speakers"
        )
    if live is not None:
        spectrograms = live_spectrograms(corpus, spectrograms, spec, live)
    splits = k_fold(outer.train, label_set, seed, folds=folds)
    return [Parts(corpus, split, spectrograms, label_set) for split in splits]


class OverFolds(ABC):
    """An objective that is a mean over folds; of a killed trial no fold is done again.

    Attributes:
        name: of the score, for people.
        goal: ``min`` or ``max``.
    """

    name: str
    goal: str

    @property
    @abstractmethod
    def folds(self) -> Sequence[Any]:
        """What each fold is trained and scored on."""

    @abstractmethod
    def measured(
        self, fold: Any, settings: Any, share: float, folder: Path, verbose: int
    ) -> dict[str, float]:
        """Train on a fold, and score it on speakers whom nothing has heard.

        Args:
            fold: one of :attr:`folds`.
            settings: that are tried.
            share: of a whole training, above 0 and at most 1.
            folder: of this training; what is there already is gone on with.
            verbose: as for Keras' ``fit``.

        Returns:
            ``score``, and other numbers by name.

        Raises:
            DivergedError: if it does not work with these settings.
        """

    def prepare(self) -> None:
        """Do what all trials share."""
        _ = self.folds

    def score(self, settings: Any, share: float, place: Path, verbose: int = 0) -> Outcome:
        """See :class:`serkit.studies.tuning.tuner.Objective`.

        Raises:
            TrialFailedError: if a training diverged.
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
        # Of dozens of networks in one process the graphs add up.
        keras.utils.clear_session()
        values = tuple(row.pop("score") for row in rows)
        details = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
        return Outcome(float(np.mean(values)), values, details)
