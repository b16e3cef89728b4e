"""Settings of a search, and the recorded result of each trial."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras_tuner

from serkit.errors import InputError, SerkitError, check_choice, check_range
from serkit.files import read_json, write_json
from serkit.serialization import content_key, plain

RANDOM, BAYESIAN, HYPERBAND = "random", "bayesian", "hyperband"
ALGORITHMS = (RANDOM, BAYESIAN, HYPERBAND)
# A failed trial is our own affair; KerasTuner would count those of former processes, too.
_NEVER = 1_000_000


@dataclass(frozen=True)
class SearchSettings:
    """How a search goes about it.

    Attributes:
        algorithm: ``random``, ``bayesian`` or ``hyperband``.
        trials: settings that are tried; of ``hyperband`` they follow from the next two.
        rounds: of ``hyperband``: trials begin with so small a share of a training that they can be
            lengthened ``rounds`` - 1 times.
        factor: of ``hyperband``: how much longer they get, and how many fewer they then are.
        seed: of what is tried.

    Raises:
        InputError: for a value out of range.

    Source: KerasTuner; Li et al. (2018), arXiv:1603.06560, for ``hyperband``.
    """

    algorithm: str = RANDOM
    trials: int = 20
    rounds: int = 3
    factor: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("algorithm", self.algorithm, ALGORITHMS)
        check_range("trials", self.trials, 1)
        check_range("rounds", self.rounds, 1)
        check_range("factor", self.factor, 2)
        if self.algorithm == BAYESIAN and self.trials < 3:
            raise InputError(f"trials={self.trials} with bayesian; valid is 3 or more")

    @property
    def longest(self) -> int:
        """Of ``hyperband``: a whole training in the shortest ones."""
        return self.factor ** (self.rounds - 1)

    def oracle(self, name: str, goal: str) -> keras_tuner.Oracle:
        """KerasTuner's part of it, which says what to try next.

        Args:
            name: of what is scored.
            goal: ``min`` or ``max``.
        """
        common = {
            "objective": keras_tuner.Objective(name, goal),
            # Its own 0 would be another seed each time.
            "seed": self.seed + 1,
            "max_consecutive_failed_trials": _NEVER,
        }
        if self.algorithm == HYPERBAND:
            return keras_tuner.oracles.HyperbandOracle(
                max_epochs=self.longest, factor=self.factor, **common
            )
        kinds = {
            RANDOM: keras_tuner.oracles.RandomSearchOracle,
            BAYESIAN: keras_tuner.oracles.BayesianOptimizationOracle,
        }
        return kinds[self.algorithm](max_trials=self.trials, **common)


class TrialFailedError(SerkitError):
    """A trial's settings gave no result; the message says why."""


@dataclass(frozen=True)
class Outcome:
    """What settings are worth.

    Attributes:
        score: what the search is for, a mean over folds of speakers.
        folds: the same of each fold.
        details: other numbers by name; the search does not look at them.

    Raises:
        TrialFailedError: if the score is not a finite number: it would compare with nothing.
    """

    score: float
    folds: tuple[float, ...]
    details: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not math.isfinite(self.score):
            raise TrialFailedError(f"its score is {self.score}; valid is a finite number")


class Outcomes:
    """Outcomes in a folder, by settings and by the share of a training that they got.

    What failed is kept with its reason, too: it would fail again.

    Args:
        folder: gets a folder for each settings and share.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def place(self, settings: Any, share: float) -> Path:
        """The folder of a trial.

        Args:
            settings: JSON values.
            share: of a whole training, above 0 and at most 1.
        """
        return self._folder / content_key(settings=plain(settings), share=share)

    def has(self, settings: Any, share: float) -> bool:
        """Whether something came of settings, be it that they failed."""
        return self._file(settings, share).exists()

    def any(self) -> bool:
        """Whether anything is kept."""
        return any(self._folder.glob("*/outcome.json"))

    def make(self, settings: Any, share: float, task: Callable[[Path], Outcome]) -> None:
        """Do the work of a trial, and keep what comes of it.

        Args:
            settings: JSON values.
            share: of a whole training.
            task: gets the trial's folder. If it is killed it is called again by the next process,
                and goes on with what it finds there. What it raises but TrialFailedError is no
                outcome.
        """
        try:
            found = asdict(task(self.place(settings, share)))
        except TrialFailedError as error:
            found = {"failed": str(error)}
        write_json(
            self._file(settings, share), {"settings": plain(settings), "share": share, **found}
        )

    def _file(self, settings: Any, share: float) -> Path:
        return self.place(settings, share) / "outcome.json"

    def known(self, settings: Any, share: float) -> Outcome | None:
        """The outcome, if there is one.

        Raises:
            TrialFailedError: if it is that the trial failed.
        """
        file = self._file(settings, share)
        return _outcome(file) if file.exists() else None


def _outcome(file: Path) -> Outcome:
    found = read_json(file)
    if "failed" in found:
        raise TrialFailedError(found["failed"])
    return Outcome(found["score"], tuple(found["folds"]), found["details"])
