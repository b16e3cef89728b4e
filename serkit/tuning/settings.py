"""How a search goes about it."""

from dataclasses import dataclass

import keras_tuner

from serkit.errors import InputError, check_choice, check_range

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
