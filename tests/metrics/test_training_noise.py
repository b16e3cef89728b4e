import numpy as np
import pytest

from serkit.metrics.classification import ConfusionBySpeaker, accuracy, average_recall
from serkit.metrics.paired import training_noise


def test_one_seed_cannot_tell(simulated, rng):
    found = training_noise(*simulated(rng, 0.0), average_recall)
    assert (found.variance, found.removable) == (0.0, None)


def test_variation_between_training_runs_is_found(simulated):
    """Two arms of deviation 4 points each, 5 folds of 3 seeds: 2 x 0.04 ** 2 / 15."""
    found = [
        training_noise(
            *simulated(np.random.default_rng(n), 0.0, seeds=3, trainings_vary_by=0.04),
            average_recall,
        ).variance
        for n in range(60)
    ]
    assert np.mean(found) == pytest.approx(2 * 0.04**2 / 15, rel=0.2)


def test_where_there_is_none_hardly_any_is_found(simulated):
    found = [
        training_noise(*simulated(np.random.default_rng(n), 0.0, seeds=3), average_recall)
        for n in range(40)
    ]
    assert np.mean([one.variance for one in found]) < 0.01**2
    # What differs from speaker to speaker goes away with more seeds: 2 * p(1 - p) / 56 clips.
    own = 2 * 0.6 * 0.4 / 56 / (3 * 20)
    assert np.mean([one.removable - one.variance for one in found]) == pytest.approx(own, rel=0.15)


def test_speakers_without_the_classes_do_not_count():
    def measure(confusion):
        clips = confusion[..., 0, :].sum(axis=-1)
        return np.where(clips > 0, confusion[..., 0, 0] / np.maximum(clips, 1), np.nan)

    counts = np.zeros((2, 3, 2, 2), int)
    counts[:, :2, 0, 0], counts[:, 2, 1, 1] = [[4, 4], [3, 3]], 4
    counts[:, :2, 0, 1] = 4 - counts[:, :2, 0, 0]
    whole = np.zeros_like(counts)
    whole[:, :2, 0, 0], whole[:, 2, 1, 1] = 4, 4
    groups = np.zeros(3, int), np.arange(3)
    found = training_noise(
        ConfusionBySpeaker(whole, *groups), ConfusionBySpeaker(counts, *groups), measure
    )
    # Differences 0 and -1/4 by seed, the same for both speakers: variance 1/32, of two seeds.
    assert found.variance == pytest.approx(1 / 64)
    alone = np.zeros(3, int) + np.arange(3), np.arange(3)
    nothing = training_noise(
        ConfusionBySpeaker(whole, *alone), ConfusionBySpeaker(counts, *alone), accuracy
    )
    assert nothing.variance == 0
