import warnings

import numpy as np
import pytest
from sklearn import metrics as sk

from serkit.errors import InputError
from serkit.metrics.bootstrap import Interval, bootstrap_interval
from serkit.metrics.intervals import score_intervals


def _data(rng, speakers=12, each=20, spread=0.0):
    """Right with a chance of a half, which varies by speaker as far as ``spread``."""
    truth = rng.integers(0, 4, speakers * each)
    skill = np.repeat(0.5 + spread * np.linspace(-1, 1, speakers), each)
    predicted = np.where(rng.random(truth.size) < skill, truth, (truth + 1) % 4)
    return truth, predicted, np.repeat([f"s{n:02}" for n in range(speakers)], each)


def test_values_are_scikit_learns_and_lie_inside(rng):
    truth, predicted, who = _data(rng)
    found = score_intervals(truth, predicted, who, 4, seed=0)
    assert found.accuracy.value == pytest.approx(sk.accuracy_score(truth, predicted))
    assert found.uar.value == pytest.approx(sk.balanced_accuracy_score(truth, predicted))
    assert found.macro_f1.value == pytest.approx(sk.f1_score(truth, predicted, average="macro"))
    expected = sk.recall_score(truth, predicted, average=None)
    assert [r.value for r in found.recalls] == pytest.approx(list(expected))
    for one in (found.accuracy, found.uar, found.macro_f1, *found.recalls):
        assert one.low < one.value < one.high


def test_speakers_that_are_all_right_or_all_wrong_give_a_wide_interval():
    """The mean of eight tosses of a coin."""
    truth = np.tile([0, 1], 40)
    predicted = np.where(np.arange(80) < 40, truth, 1 - truth)
    found = score_intervals(truth, predicted, np.repeat(list("abcdefgh"), 10), 2, seed=0)
    assert (found.uar.value, found.uar.high - found.uar.low >= 0.75) == (0.5, True)
    assert str(found.uar).startswith("50.0 [")


def test_too_few_speakers_have_no_interval():
    truth = np.tile([0, 1], 20)
    found = score_intervals(truth, truth, ["a"] * 20 + ["b"] * 20, 2, seed=0)
    assert found.uar == Interval(1.0, None, None)
    assert str(found.uar) == "100.0"


def test_more_speakers_give_a_narrower_interval_more_training_runs_do_not(rng):
    truth, predicted, who = _data(rng, spread=0.3)
    width = _width(truth, predicted, who)
    assert _width(*_data(rng, speakers=100, spread=0.3)) < 0.6 * width
    thrice = [np.tile(values, 3) for values in (truth, predicted, who)]
    assert _width(*thrice) == pytest.approx(width)


def _width(truth, predicted, who):
    found = score_intervals(truth, predicted, who, 4, seed=0).uar
    return found.high - found.low


def test_speakers_that_differ_give_a_wider_interval(rng):
    assert _width(*_data(rng, each=100, spread=0.4)) > 2 * _width(*_data(rng, each=100))


def test_one_speaker_has_no_interval_and_a_class_without_clips_no_recall():
    found = score_intervals(np.array([0, 0, 2]), np.array([0, 2, 2]), ["a"] * 3, 3, seed=0)
    assert found.uar == Interval(0.75, None, None)
    assert str(found.uar) == "75.0"
    assert found.recalls == (Interval(0.5, None, None), None, Interval(1.0, None, None))


def test_a_class_of_one_speaker_has_no_interval_and_draws_without_it_no_warning(rng):
    truth, predicted, who = _data(rng, speakers=6)
    truth[who != "s00"] %= 3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = score_intervals(truth, predicted, who, 4, seed=0)
    assert found.recalls[3].low is None
    assert found.recalls[2].low < found.recalls[2].high


def test_same_seed_same_interval(rng):
    data = _data(rng)
    assert score_intervals(*data, 4, seed=3) == score_intervals(*data, 4, seed=3)
    assert score_intervals(*data, 4, seed=3) != score_intervals(*data, 4, seed=4)


def test_lengths_that_differ_are_refused():
    with pytest.raises(InputError, match=r"`speakers`.* 2 predictions.* 1"):
        score_intervals(np.zeros(2, int), np.zeros(2, int), ["a"], 2, seed=0)
    with pytest.raises(InputError, match=r"1 or more.* 0"):
        score_intervals(np.zeros(0, int), np.zeros(0, int), [], 2, seed=0)
    with pytest.raises(InputError, match="n_resamples=0"):
        score_intervals(np.zeros(2, int), np.zeros(2, int), ["a", "b"], 2, seed=0, n_resamples=0)


def test_any_measure_over_speakers_agrees_with_its_own_way(rng):
    truth, predicted, who = _data(rng)
    found = bootstrap_interval(
        lambda clips: (truth[clips] == predicted[clips]).mean(), who, seed=1, n_resamples=3000
    )
    expected = score_intervals(truth, predicted, who, 4, seed=1).accuracy
    assert found.value == pytest.approx(expected.value)
    assert found.low == pytest.approx(expected.low, abs=0.01)
    assert found.high == pytest.approx(expected.high, abs=0.01)


def test_any_measure_of_few_speakers_has_no_interval():
    assert bootstrap_interval(len, list("aabcde"), seed=0) == Interval(6.0, None, None)
    assert bootstrap_interval(lambda clips: np.nan, list("abcdef"), seed=0).low is None
    with pytest.raises(InputError, match=r"1 or more.* 0"):
        bootstrap_interval(len, [], seed=0)
