from functools import partial

import librosa
import numpy as np
import pytest
import soxr
import tensorflow as tf

from serkit.audio.speed import change_pitch, change_speed, change_tempo

SAMPLES = 16_000
CHANGES = (change_speed, change_tempo, partial(change_pitch, highest=2.0))


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
    played = change_speed(_tone(frequency, 0.7)[None], tf.constant([factor]))[0].numpy()
    wanted = _tone(frequency * factor, 0.7)
    inner = slice(5000, 11_000)
    assert _decibels(played[inner] - wanted[inner], wanted[inner]) < -47


def test_what_would_alias_is_gone():
    played = change_speed(_tone(0.45)[None], tf.constant([1.3]))[0].numpy()
    assert np.abs(played[4000:12_000]).max() < 1e-3


def test_noise_is_what_soxr_makes_of_it(rng):
    """Speed 1.25 is a change of rate by 4/5, played at the old rate."""
    noise = soxr.resample(rng.normal(0, 0.1, 12_000), 3, 4, "VHQ").astype("float32")
    # An odd length on both sides: then both have a sample in the middle.
    noise = noise[:15_996]
    other = soxr.resample(noise, 5, 4, "VHQ")
    played = change_speed(noise[None], tf.constant([1.25]))[0].numpy()
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
    faster, slower = change_speed(np.ones((2, SAMPLES), "float32"), tf.constant([2.0, 0.5])).numpy()
    sounding = np.flatnonzero(faster)
    assert sounding[[0, -1]].tolist() == [SAMPLES // 4, SAMPLES // 4 * 3 - 1]
    np.testing.assert_array_equal(faster[: SAMPLES // 4], 0)
    np.testing.assert_allclose(slower, 1, atol=0.1)
    clicks = np.zeros((2, 1001), "float32")
    clicks[:, 500] = 1
    assert np.argmax(change_speed(clicks, tf.constant([0.8, 1.3])), axis=1).tolist() == [500, 500]


def test_factor_one_is_the_clip_itself_beside_others(rng):
    clips = rng.normal(size=(3, 5000)).astype("float32")
    played = change_speed(clips, tf.constant([1.0, 1.1, 1.0])).numpy()
    np.testing.assert_array_equal(played[[0, 2]], clips[[0, 2]])
    assert not np.allclose(played[1], clips[1], atol=0.1)


@pytest.mark.parametrize("samples", [1, 2, 1000, 4097])
@pytest.mark.parametrize("change", CHANGES)
def test_clips_of_any_length_are_each_by_itself(rng, samples, change):
    clips = rng.normal(size=(3, samples)).astype("float32")
    factors = tf.constant([0.7, 1.1, 1.9])
    together = change(clips, factors)
    assert together.shape == clips.shape
    alone = [change(clips[row : row + 1], factors[row : row + 1])[0] for row in range(3)]
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_graphs_that_do_not_know_the_shape(rng):
    clips = rng.normal(size=(2, 3000)).astype("float32")
    factors = tf.constant([0.9, 1.1])
    for change in CHANGES:
        graph = tf.function(
            change, input_signature=[tf.TensorSpec([None, None]), tf.TensorSpec([None])]
        )
        np.testing.assert_allclose(graph(clips, factors), change(clips, factors), atol=1e-5)


def _voice(seconds: float = 1.5) -> np.ndarray:
    """A gliding harmonic tone of three syllables with some breath: float32, 16 kHz."""
    time = np.arange(int(seconds * SAMPLES)) / SAMPLES
    phase = 2 * np.pi * np.cumsum(180 * (1 + 0.2 * np.sin(2 * np.pi * 1.3 * time))) / SAMPLES
    tone = sum(np.sin(n * phase) / n for n in range(1, 20))
    breath = np.random.default_rng(5).normal(0, 0.02, time.size)
    return (0.1 * (tone + breath) * np.sin(3 * np.pi * time / seconds) ** 2).astype("float32")


def _decibel_frames(waveform: np.ndarray) -> np.ndarray:
    power = librosa.feature.melspectrogram(
        y=waveform, sr=SAMPLES, n_fft=1024, hop_length=256, n_mels=40
    )
    return librosa.power_to_db(power, ref=np.max, top_db=50)


def _alike(ours: np.ndarray, other: np.ndarray) -> float:
    return np.corrcoef(_decibel_frames(ours).ravel(), _decibel_frames(other).ravel())[0, 1]


@pytest.mark.parametrize("factor", [0.8, 0.93, 1.25])
def test_tempo_is_what_librosa_makes_of_it(factor):
    voice = _voice()
    ours = change_tempo(voice[None], tf.constant([factor]))[0].numpy()
    other = librosa.effects.time_stretch(voice, rate=factor, n_fft=1024)
    middle, half = len(other) // 2, min(len(other), len(voice)) // 2 - 1
    ours = ours[len(voice) // 2 - half : len(voice) // 2 + half]
    assert _alike(ours, other[middle - half : middle + half]) > 0.95
    # At the old tempo they are not alike.
    unchanged = voice[len(voice) // 2 - half : len(voice) // 2 + half]
    assert _alike(unchanged, other[middle - half : middle + half]) < 0.93


@pytest.mark.parametrize("semitones", [-3, 2, 5])
def test_pitch_is_what_librosa_makes_of_it(semitones):
    voice = _voice()
    factor = 2 ** (semitones / 12)
    ours = change_pitch(voice[None], tf.constant([factor]), max(factor, 1.0))[0].numpy()
    other = librosa.effects.pitch_shift(voice, sr=SAMPLES, n_steps=semitones, n_fft=1024)
    assert _alike(ours, other) > 0.95
    assert _alike(voice, other) < 0.93


@pytest.mark.parametrize("factor", [0.7, 0.9, 1.1, 1.6])
def test_a_tone_keeps_its_frequency_and_its_level_at_another_tempo(factor):
    tone = _tone(0.0275, 0.7)
    changed = change_tempo(tone[None], tf.constant([factor]))[0].numpy()
    inner = slice(5000, 11_000)
    # Its phase in the middle of the clip, too.
    assert _decibels(changed[inner] - tone[inner], tone[inner]) < -40


@pytest.mark.parametrize("semitones", [-12, -2, 1, 7, 12])
def test_a_tone_moves_by_semitones_and_lasts_as_long(semitones):
    factor = 2.0 ** (semitones / 12)
    tone = _tone(0.0275)
    changed = change_pitch(tone[None], tf.constant([factor]), factor)[0].numpy()
    peak = np.abs(np.fft.rfft(changed * np.hanning(SAMPLES), 16 * SAMPLES)).argmax()
    assert peak / (16 * SAMPLES) == pytest.approx(0.0275 * factor, rel=1e-3)
    for piece in np.split(changed, 16)[1:-1]:
        assert np.sqrt(np.mean(piece**2)) == pytest.approx(np.sqrt(0.5), rel=0.02)


@pytest.mark.parametrize("factor", [0.8, 1.25, 2.0])
def test_events_come_at_the_times_of_the_new_tempo(factor):
    """Short tones, 0.2 s one from the other: their centres, in samples from the clip's middle."""
    middle, apart, burst = SAMPLES // 2, 3200, np.hanning(800) * np.sin(np.arange(800))
    clip = np.zeros(SAMPLES, "float32")
    for event in (-2, -1, 0, 1, 2):
        clip[middle + event * apart - 400 :][:800] += burst
    power = np.square(change_tempo(clip[None], tf.constant([factor]))[0].numpy())
    for event in (-2, -1, 0, 1, 2):
        wanted = middle + event * apart / factor
        if not 800 < wanted < SAMPLES - 800:
            continue
        around = np.arange(int(wanted) - 700, int(wanted) + 700)
        # Less than half a window off, as with librosa; the nearest other event is 1600 away.
        assert np.average(around, weights=power[around]) == pytest.approx(wanted, abs=400)
    assert power[abs(np.arange(SAMPLES) - middle) > SAMPLES / 2 / factor + 1024].sum() == 0


def test_hardly_another_tempo_changes_hardly_anything():
    voice = _voice()
    for change in (change_tempo, partial(change_pitch, highest=1.001)):
        changed = change(voice[None], tf.constant([1.0001]))[0].numpy()
        assert _alike(changed, voice) > 0.99
        np.testing.assert_array_equal(change(voice[None], tf.constant([1.0]))[0], voice)
