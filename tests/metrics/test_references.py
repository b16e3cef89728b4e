import numpy as np
import pytest

from serkit.errors import InputError
from serkit.metrics.reference_sets import reference_sets


@pytest.fixture
def training(rng) -> np.ndarray:
    """Eight clips of 60 frames and 40 bins, each bin with a level and a spread of its own."""
    level, spread = np.linspace(-0.4, 0.4, 40), np.linspace(0.02, 0.1, 40)
    clips = level + spread * rng.normal(size=(8, 60, 40))
    return np.clip(clips, -1, 1).astype(np.float32)[..., None]


def _holds(clips: np.ndarray, clip: np.ndarray) -> bool:
    return any(np.array_equal(clip, one) for one in clips)


def test_three_sets_of_spectrograms_in_range(training):
    # Clips of two values only, so that noise would pass the range.
    sets = reference_sets(np.sign(training), 11, seed=0)
    assert list(sets) == ["noise", "blurred real", "oversampled real"]
    for made in sets.values():
        assert made.shape == (11, 60, 40, 1)
        assert made.dtype == np.float32
        assert np.abs(made).max() <= 1
    assert (np.abs(sets["noise"]) == 1).mean() > 0.1


def test_noise_has_the_mean_and_spread_of_each_bin(training):
    noise = reference_sets(training, 30, seed=1)["noise"]
    axes = (0, 1, 3)
    np.testing.assert_allclose(noise.mean(axes), training.mean(axes), atol=0.01)
    np.testing.assert_allclose(noise.std(axes), training.std(axes), rtol=0.1)


def test_pixels_of_noise_are_independent(training):
    noise = reference_sets(training, 30, seed=1)["noise"][..., 0]
    noise = noise - noise.mean(axis=(0, 1))
    along_frames = np.mean(noise[:, 1:] * noise[:, :-1]) / np.mean(noise**2)
    along_bins = np.mean(noise[:, :, 1:] * noise[:, :, :-1]) / np.mean(noise**2)
    between_clips = np.mean(noise[1:] * noise[:-1]) / np.mean(noise**2)
    np.testing.assert_allclose([along_frames, along_bins, between_clips], 0, atol=0.02)


def test_blurring_takes_lines_of_pitch_and_keeps_the_level():
    """A line each 5 bins, all in the upper half of the bins: only the half stays."""
    clip = np.full((1, 64, 96, 1), -1.0)
    clip[:, :, 48::5] = 1.0
    (blurred,) = reference_sets(clip, 1, seed=0)["blurred real"]
    assert blurred.mean() == pytest.approx(clip.mean(), abs=1e-3)
    profile = blurred.mean(axis=(0, 2))
    assert np.all(np.diff(profile) > -1e-3)
    assert profile[-1] - profile[0] == pytest.approx(2 / 5, abs=0.01)


def test_blurring_is_along_frames_and_bins_and_not_across_clips():
    """A single pixel spreads as a Gaussian of the sigma asked for, and stays in its clip."""
    clips = np.zeros((2, 41, 41, 1))
    clips[0, 20, 20] = 1.0
    blurred = reference_sets(clips, 2, seed=0, sigma=2)["blurred real"][..., 0]
    blurred = blurred[np.argsort(-blurred.max(axis=(1, 2)))]
    assert not blurred[1].any()
    for axis in (0, 1):
        along = blurred[0].sum(axis=axis)
        assert along @ (np.arange(41) - 20) ** 2 == pytest.approx(4, rel=0.02)


def test_every_clip_is_blurred_as_often_as_any_other(training):
    marked = np.broadcast_to(np.linspace(-1, 1, 8)[:, None, None, None], training.shape)
    blurred = reference_sets(marked, 20, seed=0)["blurred real"]
    counts = np.unique(np.round(blurred.mean(axis=(1, 2, 3)), 3), return_counts=True)[1]
    assert sorted(counts) == [2] * 4 + [3] * 4


def test_oversampled_clips_are_training_clips_some_of_them_twice(training):
    drawn = reference_sets(training, 8, seed=0)["oversampled real"]
    assert all(_holds(training, clip) for clip in drawn)
    assert 1 < len(np.unique(drawn.reshape(8, -1), axis=0)) < 8


def test_the_seed_decides_and_nothing_else(training):
    first, again, other = (reference_sets(training, 6, seed) for seed in (3, 3, 4))
    for name, made in first.items():
        np.testing.assert_array_equal(made, again[name])
        assert not np.array_equal(made, other[name])


def test_the_first_are_the_same_whatever_the_count(training):
    few, many = reference_sets(training, 3, seed=0), reference_sets(training, 20, seed=0)
    for name, made in few.items():
        np.testing.assert_array_equal(made, many[name][:3])


def test_the_training_clips_stay_as_they_were(training):
    before = training.copy()
    for made in reference_sets(training, 4, seed=0).values():
        made[:] = 0
    np.testing.assert_array_equal(training, before)


@pytest.mark.parametrize("value", [0.3, 1, -1])
def test_constant_clips_give_constant_sets(value):
    for made in reference_sets(np.full((2, 50, 50, 1), value), 5, seed=0).values():
        np.testing.assert_allclose(made, value, atol=1e-6)
        assert np.abs(made).max() <= 1


@pytest.mark.parametrize(
    ("training", "message"),
    [
        (np.zeros((2, 9, 9)), r"`training_spectrograms`.*\(2, 9, 9\)"),
        (np.zeros((2, 9, 9, 3)), r"shape \(2, 9, 9, 3\)"),
        (np.zeros((0, 9, 9, 1)), r"shape \(0, 9, 9, 1\)"),
        (np.full((2, 9, 9, 1), 1.5), "-1 and 1.* 1.5 to 1.5"),
        (np.full((2, 9, 9, 1), np.nan), "nan to nan"),
    ],
)
def test_arrays_that_are_no_spectrograms_are_refused(training, message):
    with pytest.raises(InputError, match=message):
        reference_sets(training, 1, seed=0)


def test_settings_out_of_range_are_refused(training):
    with pytest.raises(InputError, match="count=0"):
        reference_sets(training, 0, seed=0)
    with pytest.raises(InputError, match=r"sigma=0\.5"):
        reference_sets(training, 1, seed=0, sigma=0.5)
