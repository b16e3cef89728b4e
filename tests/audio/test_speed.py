import numpy as np
import pytest
import soxr
import tensorflow as tf

from serkit.audio.speed import play

SAMPLES = 16_000


def _tone(frequency: float, phase: float = 0.0) -> np.ndarray:
    """A tone with its phase in the middle of the clip, ``frequency`` as a share of the rate."""
    place = np.arange(SAMPLES) - (SAMPLES - 1) / 2
    return np.cos(2 * np.pi * frequency * place + phase).astype("float32")


def _decibels(error: np.ndarray, of: np.ndarray) -> float:
    return 10 * np.log10(np.mean(np.square(error, dtype=float)) / np.mean(np.square(of)))


# What is at most 0.4 of the rate before and after.
_HEARD = [
    (frequency, factor)
    for frequency in (0.003, 0.05, 0.2, 0.39)
    for factor in (0.5, 0.9, 0.93, 1.1, 1.37, 2.0)
    if frequency * factor <= 0.4
]


@pytest.mark.parametrize(("frequency", "factor"), _HEARD)
def test_a_tone_becomes_the_tone_of_the_new_frequency(frequency, factor):
    played = play(_tone(frequency, 0.7)[None], tf.constant([factor]))[0].numpy()
    wanted = _tone(frequency * factor, 0.7)
    inner = slice(5000, 11_000)
    assert _decibels(played[inner] - wanted[inner], wanted[inner]) < -47


def test_what_would_alias_is_gone():
    played = play(_tone(0.45)[None], tf.constant([1.3]))[0].numpy()
    assert np.abs(played[4000:12_000]).max() < 1e-3


def test_noise_is_what_soxr_makes_of_it(rng):
    """Speed 1.25 is a change of rate by 4/5, played at the old rate."""
    noise = soxr.resample(rng.normal(0, 0.1, 12_000), 3, 4, "VHQ").astype("float32")
    # An odd length on both sides: then both have a sample in the middle.
    noise = noise[:15_996]
    other = soxr.resample(noise, 5, 4, "VHQ")
    played = play(noise[None], tf.constant([1.25]))[0].numpy()
    start = (len(noise) - 1) / 2 * (1 - 1 / 1.25)
    # soxr has its samples on the old first one; ours lie around the middle, a fraction off.
    spectrum = np.fft.rfft(np.pad(other, (0, 4096)))
    size = len(other) + 4096
    ramp = np.exp(2j * np.pi * np.fft.rfftfreq(size) * (np.ceil(start) - start))
    shifted = np.fft.irfft(spectrum * ramp, size)
    first = int(np.ceil(start))
    inner = slice(2000, 10_000)
    ours = played[first:][inner]
    assert _decibels(ours - shifted[inner], shifted[inner]) < -40


def test_the_clip_stays_in_the_middle():
    faster, slower = play(np.ones((2, SAMPLES), "float32"), tf.constant([2.0, 0.5])).numpy()
    sounding = np.flatnonzero(faster)
    assert sounding[[0, -1]].tolist() == [SAMPLES // 4, SAMPLES // 4 * 3 - 1]
    np.testing.assert_array_equal(faster[: SAMPLES // 4], 0)
    np.testing.assert_allclose(slower, 1, atol=0.1)
    clicks = np.zeros((2, 1001), "float32")
    clicks[:, 500] = 1
    assert np.argmax(play(clicks, tf.constant([0.8, 1.3])), axis=1).tolist() == [500, 500]


def test_factor_one_is_the_clip_itself_beside_others(rng):
    clips = rng.normal(size=(3, 5000)).astype("float32")
    played = play(clips, tf.constant([1.0, 1.1, 1.0])).numpy()
    np.testing.assert_array_equal(played[[0, 2]], clips[[0, 2]])
    assert not np.allclose(played[1], clips[1], atol=0.1)


@pytest.mark.parametrize("samples", [1, 2, 1000, 4097])
def test_clips_of_any_length_are_each_by_itself(rng, samples):
    clips = rng.normal(size=(3, samples)).astype("float32")
    factors = tf.constant([0.7, 1.1, 1.9])
    together = play(clips, factors)
    assert together.shape == clips.shape
    alone = [play(clips[row : row + 1], factors[row : row + 1])[0] for row in range(3)]
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_graphs_that_do_not_know_the_shape(rng):
    clips = rng.normal(size=(2, 3000)).astype("float32")
    graph = tf.function(play, input_signature=[tf.TensorSpec([None, None]), tf.TensorSpec([None])])
    factors = tf.constant([0.9, 1.1])
    np.testing.assert_allclose(graph(clips, factors), play(clips, factors), atol=1e-5)
