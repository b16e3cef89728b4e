import numpy as np
import pytest
import tensorflow as tf

from serkit.errors import InputError
from serkit.gans.small_data import DiffAugmentSettings, diff_augment

OFF = {
    "time_shift": 0.0,
    "frequency_shift": 0.0,
    "time_mask": 0.0,
    "frequency_mask": 0.0,
    "gain": 0.0,
}
SEED = tf.constant([3, 4])


@pytest.fixture(scope="module")
def spectrograms() -> np.ndarray:
    drawn = np.random.default_rng(0).uniform(-0.9, 1, (16, 40, 30, 1)).astype("float32")
    drawn[:, :4] = drawn[:, -4:] = -1
    return drawn


def _only(**on) -> DiffAugmentSettings:
    return DiffAugmentSettings(**{**OFF, **on})


def _moved(spectrogram: np.ndarray, frames: int, bins: int) -> np.ndarray:
    """By hand: silence comes in from outside."""
    result = np.full_like(spectrogram, -1.0)
    t, f = spectrogram.shape[:2]
    result[max(frames, 0) : t + min(frames, 0), max(bins, 0) : f + min(bins, 0)] = spectrogram[
        max(-frames, 0) : t + min(-frames, 0), max(-bins, 0) : f + min(-bins, 0)
    ]
    return result


def test_without_strengths_nothing_changes(spectrograms):
    np.testing.assert_allclose(diff_augment(spectrograms, SEED, _only()), spectrograms, atol=1e-6)


@pytest.mark.parametrize(("name", "axis"), [("time_shift", 0), ("frequency_shift", 1)])
def test_each_example_is_shifted_by_its_own_amount(spectrograms, name, axis):
    found = diff_augment(spectrograms, SEED, _only(**{name: 0.2})).numpy()
    largest = round(0.2 * spectrograms.shape[1 + axis])
    shifts = set()
    for before, after in zip(spectrograms, found, strict=True):
        fitting = [
            by
            for by in range(-largest, largest + 1)
            if np.allclose(_moved(before, *((by, 0) if axis == 0 else (0, by))), after, atol=1e-5)
        ]
        assert len(fitting) == 1
        shifts.add(fitting[0])
    assert len(shifts) > 5
    assert min(shifts) < 0 < max(shifts)


def test_gain_offsets_the_whole_spectrogram(spectrograms):
    found = diff_augment(spectrograms, SEED, _only(gain=0.3)).numpy() - spectrograms
    offsets = found[:, 0, 0, 0]
    np.testing.assert_allclose(
        found, np.broadcast_to(offsets[:, None, None, None], found.shape), atol=1e-5
    )
    assert np.ptp(offsets) > 0.3
    assert np.abs(offsets).max() <= 0.3


@pytest.mark.parametrize(("name", "axis"), [("time_mask", 1), ("frequency_mask", 2)])
def test_a_mask_is_one_interval_of_silence(spectrograms, name, axis):
    found = diff_augment(spectrograms, SEED, _only(**{name: 0.5})).numpy()
    other = 3 - axis
    gone = (found == -1).all(axis=(other, 3)) & ~(spectrograms == -1).all(axis=(other, 3))
    changed = (np.abs(found - spectrograms) > 1e-5).any(axis=(other, 3))
    np.testing.assert_array_equal(gone, changed)
    lengths = gone.sum(axis=1)
    assert 0.3 * spectrograms.shape[axis] < lengths.max() <= 0.5 * spectrograms.shape[axis] + 1
    for row in gone:
        assert np.abs(np.diff(np.r_[0, row, 0].astype(int))).sum() in (0, 2)


def test_the_gradient_is_that_of_what_is_still_in_the_spectrogram(spectrograms):
    """By the mean of all values: a pixel counts once, or not at all if it was taken out."""
    x = tf.constant(spectrograms)
    with tf.GradientTape() as tape:
        tape.watch(x)
        result = tf.reduce_sum(diff_augment(x, SEED, DiffAugmentSettings()))
    gradient = tape.gradient(result, x).numpy()
    assert set(np.unique(gradient.round(5))) == {0.0, 1.0}
    assert 0.4 < gradient.mean() < 1


def test_equal_seeds_equal_results_in_a_graph_too(spectrograms):
    settings = DiffAugmentSettings()
    eager = diff_augment(spectrograms, SEED, settings)
    graph = tf.function(diff_augment)(tf.constant(spectrograms), SEED, settings)
    np.testing.assert_allclose(graph, eager, atol=1e-6)
    other = diff_augment(spectrograms, tf.constant([3, 5]), settings)
    assert not np.allclose(other, eager)
    assert eager.shape == spectrograms.shape


@pytest.mark.parametrize("name", OFF)
def test_settings_are_checked(name):
    with pytest.raises(InputError, match=rf"{name}.*2\.5"):
        DiffAugmentSettings(**{name: 2.5})
