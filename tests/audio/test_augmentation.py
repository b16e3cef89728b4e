from functools import partial

import numpy as np
import pytest
import tensorflow as tf

from serkit.audio.augmentation import (
    WaveAugmentation,
    add_noise,
    augment,
    random_gain,
    random_pitch,
    random_speed,
    random_stretch,
    time_shift,
)
from serkit.audio.speed import change_pitch, change_speed, change_tempo
from serkit.errors import InputError

SEED = tf.constant([1, 2])
EVERYTHING = WaveAugmentation(
    speed=(0.9, 1.1),
    shift=0.2,
    snr_db=(5, 20),
    gain_db=(-6, 6),
    stretch=(0.8, 1.25),
    pitch=(-2, 2),
)
ALL = {
    "shift": partial(time_shift, max_fraction=0.3),
    "gain": partial(random_gain, low_db=-6, high_db=6),
    "noise": partial(add_noise, low_db=5, high_db=20),
    "speed": partial(random_speed, low=0.8, high=1.2),
    "stretch": partial(random_stretch, low=0.8, high=1.2),
    "pitch": partial(random_pitch, low=-3, high=3),
    "augment": partial(augment, settings=EVERYTHING),
}
HIGH = ((random_speed, "high"), (random_stretch, "high"), (random_pitch, "high"))
anything = pytest.mark.parametrize("change", ALL.values(), ids=ALL)


@pytest.fixture
def clips(rng):
    return rng.normal(0, 0.1, (6, 2000)).astype("float32")


def _power_db(waveforms: np.ndarray) -> np.ndarray:
    return 10 * np.log10(np.mean(np.square(waveforms, dtype=float), axis=1))


@anything
def test_same_seed_same_result_eagerly_in_a_graph_and_in_map(clips, change):
    eager = change(clips, SEED)
    assert eager.shape == clips.shape
    assert eager.dtype == tf.float32
    mapped = tf.data.Dataset.from_tensors(clips).map(lambda batch: change(batch, SEED))
    assert mapped.element_spec.shape == clips.shape
    unknown = tf.function(
        change, [tf.TensorSpec([None, None]), tf.TensorSpec([2], tf.int32)], autograph=False
    )
    for other in (next(iter(mapped)), unknown(clips, SEED)):
        np.testing.assert_allclose(other, eager, atol=1e-5)
    np.testing.assert_array_equal(change(clips, SEED), eager)


@anything
def test_other_seeds_and_other_places_draw_other_numbers(clips, change):
    assert not np.allclose(change(clips, SEED), change(clips, tf.constant([1, 3])), atol=1e-3)
    same = np.repeat(clips[:1], 6, axis=0)
    rows = change(same, SEED).numpy()
    assert len({row.tobytes() for row in rows}) == 6


@anything
def test_silence_stays_silence(change):
    np.testing.assert_array_equal(change(np.zeros((2, 500), "float32"), SEED), 0)


def test_what_leaves_at_one_end_does_not_come_in_at_the_other(clips):
    moved = time_shift(clips, SEED, 0.3).numpy()
    shifts = []
    for before, after in zip(clips, moved, strict=True):
        sounding = np.flatnonzero(after)
        by = sounding[0] if sounding[0] else sounding[-1] + 1 - len(after)
        wanted = np.zeros_like(before)
        wanted[max(by, 0) : len(before) + min(by, 0)] = before[
            max(-by, 0) : len(before) - max(by, 0)
        ]
        np.testing.assert_array_equal(after, wanted)
        shifts.append(by)
    assert len(set(shifts)) > 3
    assert min(shifts) < 0 < max(shifts)


def test_shifts_are_uniform_up_to_the_largest():
    clicks = np.zeros((4000, 101), "float32")
    clicks[:, 50] = 1
    by = np.argmax(time_shift(clicks, SEED, 0.2), axis=1) - 50
    assert (by.min(), by.max()) == (-20, 20)
    # The variance of a uniform variable is its width squared, by twelve.
    assert by.std() == pytest.approx(40.4 / np.sqrt(12), rel=0.03)
    assert by.mean() == pytest.approx(0, abs=0.6)


def test_gain_is_in_decibels_and_uniform(clips):
    np.testing.assert_allclose(random_gain(clips, SEED, 20, 20), clips * 10, rtol=1e-5)
    drawn = 20 * np.log10(random_gain(np.ones((4000, 1), "float32"), SEED, -12, 4).numpy())
    assert -12 <= drawn.min() < -11.9
    assert 3.9 < drawn.max() <= 4.0001
    assert drawn.mean() == pytest.approx(-4, abs=0.25)


@pytest.mark.parametrize("ratio", [-10, 0, 17.5, 40])
def test_the_ratio_is_of_each_clips_own_power(clips, ratio):
    levels = np.geomspace(1e-3, 10, 6).astype("float32")[:, None]
    noise = add_noise(clips * levels, SEED, ratio, ratio).numpy() - clips * levels
    np.testing.assert_allclose(_power_db(clips * levels) - _power_db(noise), ratio, atol=0.1)


def test_ratios_stay_in_their_range_and_noise_is_white(rng):
    clips = rng.normal(size=(300, 1000)).astype("float32")
    noise = add_noise(clips, SEED, 5, 15).numpy() - clips
    ratios = _power_db(clips) - _power_db(noise)
    assert 4.99 < ratios.min() < 5.5
    assert 14.5 < ratios.max() < 15.01
    noise /= noise.std(axis=1, keepdims=True)
    spectrum = np.square(np.abs(np.fft.rfft(noise))).mean(axis=0)[1:-1] / 1000
    # A mean of 300 exponential variables of mean 1, at 499 frequencies.
    np.testing.assert_allclose(spectrum, 1, atol=0.3)
    correlated = np.corrcoef(noise)[~np.eye(300, dtype=bool)]
    assert np.abs(correlated).max() < 0.25


def test_each_clip_has_a_speed_of_its_own_in_the_range():
    time = np.arange(4000) - 1999.5
    tone = np.cos(2 * np.pi * 0.1 * time).astype("float32")
    played = random_speed(np.repeat(tone[None], 40, axis=0), SEED, 0.8, 1.25).numpy()
    middle = played[:, 500:3500] * np.hanning(3000)
    found = np.abs(np.fft.rfft(middle, 60_000)).argmax(axis=1) / 60_000 / 0.1
    assert 0.8 <= found.min() < 0.85
    assert 1.2 < found.max() <= 1.25
    fixed = change_speed(tone[None], tf.constant([0.9]))
    np.testing.assert_array_equal(random_speed(tone[None], SEED, 0.9, 0.9), fixed)


def test_each_clip_has_a_pitch_of_its_own_in_the_range():
    tone = np.cos(0.2 * np.pi * np.arange(4000)).astype("float32")
    changed = random_pitch(np.repeat(tone[None], 40, axis=0), SEED, -3, 2).numpy()
    middle = changed[:, 500:3500] * np.hanning(3000)
    found = np.abs(np.fft.rfft(middle, 60_000)).argmax(axis=1) / 60_000 / 0.1
    semitones = 12 * np.log2(found)
    assert -3.05 <= semitones.min() < -2.5
    assert 1.5 < semitones.max() <= 2.05
    fixed = change_pitch(tone[None], tf.constant([2 ** (2 / 12)], tf.float32), 2 ** (2 / 12))
    np.testing.assert_allclose(random_pitch(tone[None], SEED, 2, 2), fixed, atol=1e-5)


def test_each_clip_has_a_tempo_of_its_own_in_the_range():
    """How long two seconds of noise last, by their power; clips are four seconds long."""
    noise = np.random.default_rng(3).normal(0, 0.1, 8000)
    clip = np.pad(noise, 4000).astype("float32")
    changed = random_stretch(np.repeat(clip[None], 40, axis=0), SEED, 0.8, 1.25).numpy()
    lasting = (np.square(changed) > 1e-4).sum(axis=1) / (np.square(clip) > 1e-4).sum()
    assert 1 / 1.25 - 0.06 < lasting.min() < 0.86
    assert 1.15 < lasting.max() < 1 / 0.8 + 0.06
    fixed = change_tempo(clip[None], tf.constant([0.9]))
    np.testing.assert_array_equal(random_stretch(clip[None], SEED, 0.9, 0.9), fixed)


def test_tempo_comes_after_speed_and_before_pitch_and_all_before_shift(clips):
    fixed = WaveAugmentation(speed=(1.1, 1.1), stretch=(0.9, 0.9), pitch=(1, 1), gain_db=(3, 3))
    wanted = change_tempo(change_speed(clips, tf.fill([6], 1.1)), tf.fill([6], 0.9))
    wanted = random_pitch(wanted, SEED, 1, 1) * 10 ** (3 / 20)
    np.testing.assert_allclose(augment(clips, SEED, fixed), wanted, atol=1e-5)


def test_nothing_happens_by_default_and_at_zero_strength(clips):
    np.testing.assert_array_equal(augment(clips, SEED, WaveAugmentation()), clips)
    still = WaveAugmentation(speed=(1, 1), shift=0.0, gain_db=(0, 0), stretch=(1, 1), pitch=(0, 0))
    np.testing.assert_array_equal(augment(clips, SEED, still), clips)


def test_switching_one_on_leaves_the_draws_of_the_others(clips):
    """The gain comes last, so that it is the only difference between the two."""
    without = augment(clips, SEED, WaveAugmentation(shift=0.2, snr_db=(5, 20)))
    both = augment(clips, SEED, WaveAugmentation(shift=0.2, snr_db=(5, 20), gain_db=(3, 3)))
    np.testing.assert_allclose(both, without * 10 ** (3 / 20), rtol=1e-5)
    others = WaveAugmentation(shift=0.2, snr_db=(5, 20), stretch=(1, 1), pitch=(0, 0))
    np.testing.assert_array_equal(augment(clips, SEED, others), without)


def test_single_clips_are_what_the_batch_of_them_is(clips):
    """With ranges of one value nothing is drawn, and the place in the batch does not matter."""
    fixed = WaveAugmentation(speed=(1.1, 1.1), gain_db=(-3, -3))
    together = augment(clips, SEED, fixed)
    alone = [augment(clips[row : row + 1], SEED, fixed)[0] for row in range(6)]
    np.testing.assert_allclose(together, alone, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "received"),
    [
        ({"shift": 1.5}, r"shift.*1\.5"),
        ({"speed": (0.1, 1)}, r"speed\[0\].*0\.1\b"),
        ({"speed": (1.1, 0.9)}, r"speed\[1\].*0\.9\b"),
        ({"snr_db": (0, float("inf"))}, r"snr_db\[1\].*inf"),
        ({"gain_db": (float("nan"), 0)}, r"gain_db\[0\].*nan"),
        ({"stretch": (0.8, 2.1)}, r"stretch\[1\].*2\.1\b"),
        ({"stretch": (0.8,)}, r"stretch.*\(0\.8,\)"),
        ({"pitch": (-13, 0)}, r"pitch\[0\].*-13\b"),
        ({"pitch": (2, -2)}, r"pitch\[1\].*-2\b"),
        ({"gain_db": (1, 2, 3)}, r"gain_db.*\(1, 2, 3\)"),
    ],
)
def test_settings_are_checked(settings, received):
    with pytest.raises(InputError, match=received):
        WaveAugmentation(**settings)


def test_arguments_are_checked(clips):
    for function, name in ((random_gain, "high_db"), (add_noise, "high_db"), *HIGH):
        with pytest.raises(InputError, match=rf"{name}.*0\.7\b"):
            function(clips, SEED, 0.8, 0.7)
    with pytest.raises(InputError, match=r"max_fraction.*-1"):
        time_shift(clips, SEED, -1)
