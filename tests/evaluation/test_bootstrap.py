import numpy as np
import pytest

from serkit.errors import InputError
from serkit.evaluation.bootstrap import uar_difference


def _simulate(rng, effect: float, speakers: int = 30, each: int = 14):
    """Two classifiers, right with a chance that differs by ``effect`` and varies by speaker."""
    truth = np.tile(np.arange(each) % 7, speakers)
    who = np.repeat([f"s{n}" for n in range(speakers)], each)
    skill = np.repeat(rng.normal(0.5, 0.1, speakers), each)

    def predictions(bonus):
        right = rng.random(truth.size) < skill + bonus
        return np.where(right, truth, (truth + 1) % 7)

    return truth, predictions(0.0), predictions(effect), who


def test_the_same_predictions_differ_by_nothing(rng):
    truth, first, _, who = _simulate(rng, 0)
    assert uar_difference(truth, first, first, who, 7, seed=0) == (0, 0, 0)


def test_the_difference_is_the_plain_one(rng):
    truth = np.array([0, 0, 1, 1])
    first, second = np.array([0, 1, 0, 1]), np.array([0, 0, 0, 1])
    value, low, high = uar_difference(truth, first, second, ["a", "b", "a", "b"], 2, seed=0)
    assert value == pytest.approx(0.25)
    assert low <= value <= high


def test_intervals_hold_the_true_effect_about_as_often_as_they_say():
    rng = np.random.default_rng(1)
    inside = 0
    for number in range(300):
        data = _simulate(rng, 0.1, speakers=60)
        _, low, high = uar_difference(*data, 7, seed=number, draws=300)
        inside += low <= 0.1 <= high
    assert 0.92 <= inside / 300 <= 0.98


def test_same_seed_same_interval(rng):
    data = _simulate(rng, 0.1)
    assert uar_difference(*data, 7, seed=3) == uar_difference(*data, 7, seed=3)
    assert uar_difference(*data, 7, seed=3) != uar_difference(*data, 7, seed=4)


def test_speakers_are_drawn_whole():
    """All clips of a speaker agree: with two speakers there are three bootstrap results only."""
    truth = np.tile([0, 1], 50)
    first = 1 - truth
    second = np.where(np.arange(100) < 50, truth, 1 - truth)
    who = ["a"] * 50 + ["b"] * 50
    value, low, high = uar_difference(truth, first, second, who, 2, seed=0)
    assert (value, low, high) == (0.5, 0.0, 1.0)


def test_lengths_are_checked():
    calls = np.array([0, 1])
    with pytest.raises(InputError, match="3 speakers for 2 clips; valid is one for each"):
        uar_difference(calls, calls, calls, ["a", "b", "c"], 2, seed=0)
    with pytest.raises(InputError, match="1 predictions for 2 clips"):
        uar_difference(calls, calls[:1], calls, ["a", "b"], 2, seed=0)


@pytest.mark.parametrize(
    ("draws", "low", "high"),
    [
        (100, -0.1772625968992248, -0.04159903424609312),
        (2000, -0.17903885495730554, -0.04514493532602467),
    ],
)
def test_results_are_to_the_bit_what_they_once_were(draws, low, high):
    """Computed with the first version; stored results of runs stay comparable."""
    clips = np.arange(150)
    truth, first, second = clips * clips % 7 % 5, clips * 3 % 11 % 5, clips * clips // 3 % 7 % 5
    who = [f"s{n}" for n in np.sqrt(clips).astype(int)]
    found = uar_difference(truth, first, second, who, 5, seed=2, draws=draws)
    assert found == (-0.11196264975334741, low, high)
