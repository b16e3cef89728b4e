"""Simulated experiments, of which the truth is known."""

import numpy as np
import pytest

from serkit.metrics.classification import ConfusionBySpeaker


def simulate(
    rng: np.random.Generator,
    effect: float,
    *,
    speakers: int = 20,
    seeds: int = 1,
    folds: int = 5,
    trainings_vary_by: float = 0.0,
) -> tuple[ConfusionBySpeaker, ConfusionBySpeaker]:
    """Two arms on the clips of some speakers: eight of each of seven classes.

    Speakers are easier or harder by a deviation of 10 points, and the effect differs by 3 points
    between them; a training is better or worse for all speakers of its fold by another deviation.
    """
    fold = np.arange(speakers) % folds
    base = np.clip(0.6 + 0.1 * rng.standard_normal(speakers), 0.1, 0.9)
    effects = effect + 0.03 * rng.standard_normal(speakers)
    noise = trainings_vary_by * rng.standard_normal((2, seeds, folds))
    arms = []
    for arm in (0, 1):
        counts = np.zeros((seeds, speakers, 7, 7), int)
        for seed in range(seeds):
            chance = np.clip(base + arm * effects + noise[arm, seed][fold], 0.02, 0.98)
            right = rng.binomial(8, chance[:, None], (speakers, 7))
            for label in range(7):
                counts[seed, :, label, label] = right[:, label]
                counts[seed, :, label, (label + 1) % 7] = 8 - right[:, label]
        arms.append(ConfusionBySpeaker(counts, fold, np.arange(speakers)))
    return arms[0], arms[1]


@pytest.fixture(scope="session")
def simulated():
    """Makes two arms of a simulated experiment."""
    return simulate
