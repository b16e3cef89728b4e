import numpy as np
import pytest
from scipy.stats import mannwhitneyu, norm

from serkit.errors import InputError
from serkit.metrics.neighbours import copy_threshold, copying_z, near_copies, nearest_distances


def _column(*values) -> np.ndarray:
    return np.array(values, float)[:, None]


def test_by_hand():
    """All of two nearer than all of three: U = 0, its mean 3 and variance 2 3 6 / 12 = 3."""
    training, held_out = _column(0), _column(1, 2, -3)
    assert copying_z(training, held_out, _column(0.1, -0.2)) == pytest.approx(-np.sqrt(3))
    assert copying_z(training, held_out, _column(4, 5)) == pytest.approx(np.sqrt(3))
    assert copying_z(training, held_out, _column(0.5, 4)) == 0


def test_ties_by_hand():
    """Distances 1 1 and 1 2: U = 1 of a mean of 2; three tied of four: variance
    4 / 12 (5 - 24 / 12) = 1."""
    assert copying_z(_column(0), _column(1, 2), _column(1, -1)) == pytest.approx(-1)


def test_the_nearest_training_sample_counts():
    assert copying_z(_column(0, 10), _column(1, 2), _column(9.5, 10.5)) < 0


@pytest.mark.parametrize("decimals", [0, 12])
def test_equals_scipys_test(rng, decimals):
    """With whole numbers there are many ties, with twelve decimals none."""
    training, held_out = rng.normal(size=(20, 3)), rng.normal(size=(30, 3))
    generated = rng.normal(0, 1.4, size=(25, 3))
    sets = [np.round(one, decimals) for one in (training, held_out, generated)]
    near = [nearest_distances(one, sets[0]) for one in (sets[2], sets[1])]
    expected = mannwhitneyu(*near, alternative="less", method="asymptotic", use_continuity=False)
    assert norm.cdf(copying_z(*sets)) == pytest.approx(expected.pvalue)
    assert (len(np.unique(np.concatenate(near))) < 55) == (decimals == 0)


def test_copies_are_told_from_new_samples_and_bad_ones(rng):
    training, held_out, new = rng.normal(size=(3, 100, 4))
    copies = training + rng.normal(0, 0.1, size=training.shape)
    assert copying_z(training, held_out, copies) < -3
    assert abs(copying_z(training, held_out, new)) < 3
    assert copying_z(training, held_out, 3 + new) > 3


def test_without_copying_it_is_about_standard_normal():
    """Given the training set the distances are independent; over training sets, Z keeps that."""
    rng = np.random.default_rng(0)
    z_scores = [copying_z(*rng.normal(size=(3, 40, 2))) for _ in range(500)]
    assert np.mean(z_scores) == pytest.approx(0, abs=0.15)
    assert np.std(z_scores) == pytest.approx(1, abs=0.1)


def test_constant_features_say_nothing():
    assert copying_z(*np.ones((3, 7, 2))) == 0


def test_near_copies_by_hand():
    found = near_copies(_column(0, 10), _column(0.5, 3, 10, 11, 8.9), 1)
    assert found.dtype == bool
    np.testing.assert_array_equal(found, [True, False, True, True, False])


def test_no_distance_finds_exact_copies(rng):
    training = rng.normal(size=(20, 8)).astype(np.float32)
    generated = np.concatenate([training[3:5], training[:1] + 1e-3])
    np.testing.assert_array_equal(near_copies(training, generated, 0), [True, True, False])


def test_threshold_by_hand():
    """To the nearest of another speaker: a 0 and 1 have 3 and 2, b 3 and 7 have 2 and 1, c has 1.

    Of 1 1 2 2 3 the 0.25-quantile is the second, and a tenth is four tenths of the way to it.
    """
    clips, speakers = _column(0, 1, 3, 7, 8), ["a", "a", "b", "b", "c"]
    assert copy_threshold(clips, speakers, 0) == 1
    assert copy_threshold(clips, speakers, 0.5) == 2
    assert copy_threshold(clips, speakers, 0.625) == 2
    assert copy_threshold(clips, speakers, 0.875) == pytest.approx(2.5)
    assert copy_threshold(clips, speakers, 1) == 3


def test_two_takes_of_one_speaker_do_not_lower_the_threshold(rng):
    clips = rng.normal(size=(40, 3))
    takes = np.concatenate([clips, clips + 1e-6])
    speakers = [f"s{n}" for n in range(8)] * 10
    alone = copy_threshold(clips, speakers[:40], 0.1)
    assert copy_threshold(takes, speakers, 0.1) == pytest.approx(alone, rel=0.05)


def test_the_quantile_is_the_fraction_of_new_real_clips_called_copies():
    """Of speakers who have clips of their own around a place of their own."""
    rng = np.random.default_rng(0)
    speakers = np.repeat(np.arange(100), 5)
    clips = np.repeat(rng.normal(size=(100, 4)), 5, axis=0) + rng.normal(0, 0.3, size=(500, 4))
    new = rng.normal(size=(4000, 4)) + rng.normal(0, 0.3, size=(4000, 4))
    share = near_copies(clips, new, copy_threshold(clips, speakers, 0.1)).mean()
    assert share == pytest.approx(0.1, abs=0.03)


def test_one_speaker_is_refused():
    with pytest.raises(InputError, match=r"`speakers`.* of 1 speakers"):
        copy_threshold(np.ones((3, 2)), ["a"] * 3)


def test_a_speaker_for_each_clip_is_asked_for():
    with pytest.raises(InputError, match=r"`speakers`.* 3 clips.*: 2 names"):
        copy_threshold(np.ones((3, 2)), ["a", "b"])


@pytest.mark.parametrize("quantile", [-0.1, 1.1, float("nan")])
def test_a_quantile_out_of_range_is_refused(quantile):
    with pytest.raises(InputError, match=r"0 and 1.*quantile="):
        copy_threshold(np.ones((2, 2)), ["a", "b"], quantile)


def test_a_threshold_below_nothing_is_refused():
    with pytest.raises(InputError, match=r"`threshold`.*=-1"):
        near_copies(np.ones((2, 2)), np.ones((2, 2)), -1)


def test_features_that_cannot_be_compared_are_refused_by_name():
    good, bad = np.ones((3, 2)), np.full((3, 2), np.nan)
    with pytest.raises(InputError, match=r"`training`.* 3 samples"):
        copying_z(bad, good, good)
    with pytest.raises(InputError, match="2 in training, 2 in held_out, 5 in generated"):
        copying_z(good, good, np.ones((3, 5)))
    with pytest.raises(InputError, match=r"`generated`.* 3 samples"):
        near_copies(good, bad, 1)
    with pytest.raises(InputError, match=r"`features`.* 3 samples"):
        copy_threshold(bad, ["a", "b", "c"])
