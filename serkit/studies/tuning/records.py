"""Settings of a search, and the result of a trial."""

import math
from dataclasses import dataclass, field

import keras_tuner

from serkit.errors import InputError, SerkitError, check_choice, check_range
from serkit.seeds import check_seed

RANDOM, BAYESIAN, HYPERBAND = "random", "bayesian", "hyperband"
ALGORITHMS = (RANDOM, BAYESIAN, HYPERBAND)
# Keeps KerasTuner from ending a search, because it also counts failed trials of earlier processes.
# GuardedTuner ends the search instead.
_UNLIMITED_FAILURES = 1_000_000


@dataclass(frozen=True)
class SearchSettings:
    """Search algorithm and its settings.

    Attributes:
        algorithm: ``random``, ``bayesian`` or ``hyperband``.
        trials: number of trials. With ``hyperband`` it is ignored; the number of trials follows
            from ``rounds`` and ``factor``.
        rounds: with ``hyperband``, the largest number of rounds of a trial. The last round is a
            full training run.
        factor: with ``hyperband``, the factor between one round and the next: training runs are
            ``factor`` times longer, and their number is divided by it.
        seed: seed of the choice of settings.

    Raises:
        InputError: if a value is out of range, or ``bayesian`` has fewer than 3 trials.

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
        check_seed("seed", self.seed)
        check_range("rounds", self.rounds, 1)
        check_range("factor", self.factor, 2)
        if self.algorithm == BAYESIAN and self.trials < 3:
            raise InputError(f"`trials` must be 3 or more with bayesian. Received: {self.trials}.")

    @property
    def length_ratio(self) -> int:
        """With ``hyperband``, length of a full training run divided by that of the shortest run."""
        return self.factor ** (self.rounds - 1)

    @property
    def full_runs(self) -> float:
        """Length of all trials together, in full training runs; about, with ``hyperband``."""
        if self.algorithm != HYPERBAND:
            return self.trials
        total = 0.0
        for bracket in range(self.rounds):
            # The trials of a bracket's first round are this often shorter than a full run.
            ratio = self.factor**bracket
            size = math.ceil(self.rounds * ratio / (bracket + 1))
            total += (bracket + 1) * size / ratio
        return total

    def oracle(self, name: str, goal: str) -> keras_tuner.Oracle:
        """Return KerasTuner's oracle, which chooses the settings of the next trial.

        Args:
            name: name of the score.
            goal: ``min`` or ``max``: whether a low or a high score is good.
        """
        arguments = {
            "objective": keras_tuner.Objective(name, goal),
            # KerasTuner replaces the seed 0 by a random one.
            "seed": self.seed + 1,
            "max_consecutive_failed_trials": _UNLIMITED_FAILURES,
        }
        if self.algorithm == HYPERBAND:
            return keras_tuner.oracles.HyperbandOracle(
                max_epochs=self.length_ratio, factor=self.factor, **arguments
            )
        oracle_classes = {
            RANDOM: keras_tuner.oracles.RandomSearchOracle,
            BAYESIAN: keras_tuner.oracles.BayesianOptimizationOracle,
        }
        return oracle_classes[self.algorithm](max_trials=self.trials, **arguments)


class SearchError(SerkitError):
    """The search cannot continue; the message says why. The search can be resumed."""


class TrialFailedError(SerkitError):
    """A trial gave no score with its settings; the message says why."""


@dataclass(frozen=True)
class Outcome:
    """Result of a trial.

    Attributes:
        score: value that the search optimises, a mean over folds of speakers.
        folds: score of each fold.
        details: other numbers by name; they do not influence the search.

    Raises:
        TrialFailedError: if the score is not finite, because it could not be ranked.
    """

    score: float
    folds: tuple[float, ...]
    details: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not math.isfinite(self.score):
            raise TrialFailedError(f"`score` must be a finite number. Received: {self.score}.")
