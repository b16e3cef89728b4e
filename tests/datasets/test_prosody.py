from pathlib import Path

import librosa
import numpy as np
import pytest

from serkit.datasets import prosody as module
from serkit.datasets.probing import read_waveform
from serkit.datasets.prosody import FRAME, HOP, RATE, Prosody, measure_prosody
from serkit.errors import InputError

NOTHING = (np.nan,) * 4


def _voice(f0: float, seconds: float, rate: int = RATE) -> np.ndarray:
    """Ten harmonics, as of a vowel, with a level of -20 dB."""
    times = np.arange(round(seconds * rate)) / rate
    harmonics = np.arange(1, 11)[:, None]
    wave = (np.sin(2 * np.pi * f0 * harmonics * times) / harmonics).sum(axis=0)
    return 0.1 * wave / np.sqrt(np.mean(wave**2))


def _numbers(found: Prosody) -> tuple[float, ...]:
    return found.f0_hz, found.level_db, found.voiced_fraction, found.syllables_per_second


@pytest.mark.parametrize("f0", [70, 120, 200, 330, 480])
@pytest.mark.parametrize("rate", [8_000, RATE, 48_000])
def test_the_fundamental_frequency_is_right_within_one_per_cent(f0, rate):
    found = measure_prosody(_voice(f0, 1.0, rate), rate)
    assert found.f0_hz == pytest.approx(f0, rel=0.01)
    assert found.level_db == pytest.approx(-20, abs=0.3)
    assert found.voiced_fraction == 1


def test_a_tone_with_pauses_has_its_voiced_fraction_and_its_level():
    tone = 0.5 * np.sin(2 * np.pi * 200 * np.arange(RATE) / RATE)
    silence = np.zeros(RATE)
    found = measure_prosody(np.concatenate([silence, tone, silence, tone, silence, silence]), RATE)
    assert found.f0_hz == pytest.approx(200, rel=0.01)
    # Two seconds of three, from the first sound to the last; a frame blurs each of four edges.
    assert found.voiced_fraction == pytest.approx(2 / 3, abs=2 * FRAME / RATE / 3)
    assert found.level_db == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.3)
    assert found.syllables_per_second == pytest.approx(2 / 3, rel=0.05)


@pytest.mark.parametrize("count", [1, 3, 8])
def test_bursts_are_syllables(count):
    burst = _voice(150, 0.15) * np.hanning(round(0.15 * RATE))
    pause = np.zeros(round(0.1 * RATE))
    wave = np.concatenate([*[burst, pause] * count])[: -len(pause)]
    found = measure_prosody(np.pad(wave, RATE), RATE)
    # The outer ends of the first and of the last burst are silent, and frames blur them.
    assert found.syllables_per_second * len(wave) / RATE == pytest.approx(count, abs=0.3)


def test_dips_of_less_than_2_db_and_unvoiced_peaks_are_no_syllables(rng):
    times = np.arange(2 * RATE) / RATE
    swell = {db: 10 ** (db / 40 * np.sin(2 * np.pi * 4 * times)) for db in (1, 4)}
    rates = {
        db: measure_prosody(_voice(150, 2.0) * gain, RATE).syllables_per_second
        for db, gain in swell.items()
    }
    assert rates[1] < 1
    assert rates[4] == pytest.approx(4, rel=0.2)
    hiss = rng.normal(0, 0.1, RATE // 4) * np.hanning(RATE // 4)
    spoken = _voice(150, 0.25) * np.hanning(RATE // 4)
    found = measure_prosody(np.concatenate([hiss, spoken, hiss]), RATE)
    assert found.syllables_per_second == pytest.approx(1 / 0.75, rel=0.15)


def test_noise_is_not_voiced(rng):
    found = measure_prosody(rng.normal(0, 0.1, 2 * RATE), RATE)
    np.testing.assert_equal(_numbers(found), (np.nan, found.level_db, 0.0, np.nan))
    assert found.level_db == pytest.approx(-20, abs=0.2)


@pytest.mark.parametrize(
    "waveform",
    [np.zeros(RATE), np.full(RATE, 0.5), 1e-5 * _voice(200, 1.0), _voice(200, 0.06), np.zeros(0)],
    ids=["silent", "offset", "below -80 dB", "too short", "empty"],
)
def test_clips_without_sound_or_frame_have_no_numbers(waveform):
    np.testing.assert_equal(_numbers(measure_prosody(waveform, RATE)), NOTHING)


def test_silence_before_and_after_changes_little():
    voice = np.concatenate([_voice(180, 0.9), np.zeros(4000), _voice(180, 0.8)])
    padded = np.concatenate([np.zeros(40 * HOP), voice, np.zeros(60 * HOP)])
    found, alone = (_numbers(measure_prosody(wave, RATE)) for wave in (padded, voice))
    np.testing.assert_allclose(found, alone, rtol=0.07)
    assert found[0] == pytest.approx(180, rel=0.01)


def test_long_recordings_are_measured_in_pieces_with_the_same_numbers(monkeypatch, rng):
    swell = 1 + np.sin(2 * np.pi * 3 * np.arange(3 * RATE) / RATE)
    wave = _voice(140, 3.0) * swell + rng.normal(0, 0.01, 3 * RATE)
    whole = measure_prosody(wave, RATE)
    monkeypatch.setattr(module, "_BLOCK", 7)
    np.testing.assert_allclose(_numbers(measure_prosody(wave, RATE)), _numbers(whole), rtol=1e-6)


@pytest.mark.parametrize(
    ("waveform", "rate", "words"),
    [
        (np.zeros((2, 9)), RATE, r"`waveform` .* Received: shape \(2, 9\)"),
        (np.full(9, np.nan), RATE, "`waveform` .* Received: 9 that"),
        (np.zeros(9), 0, "`sample_rate` .* Received: sample_rate=0"),
    ],
)
def test_bad_input_is_named(waveform, rate, words):
    with pytest.raises(InputError, match=words):
        measure_prosody(waveform, rate)


def _spoken(wave: np.ndarray) -> np.ndarray:
    """Which frames are within 35 dB of the loudest, by librosa."""
    levels = librosa.feature.rms(y=wave, frame_length=FRAME, hop_length=HOP, center=False)[0]
    return levels > levels.max() * 10 ** (-35 / 20)


def _read(file: Path) -> np.ndarray:
    waveform, rate = read_waveform(file)
    return librosa.resample(waveform, orig_sr=rate, target_sr=RATE)


@pytest.mark.recordings
def test_most_of_seven_syllables_are_found_in_real_voices(recordings):
    """Both sentences have seven: kids are talking, dogs are sitting by the door."""
    counts = []
    for file in sorted(recordings.rglob("*.wav"))[::7]:
        wave = _read(file)
        first, last = np.flatnonzero(_spoken(wave))[[0, -1]]
        rate = measure_prosody(wave, RATE).syllables_per_second
        counts.append(rate * (last - first + 1) * HOP / RATE)
    assert 6 < np.mean(counts) < 7


@pytest.mark.recordings
@pytest.mark.slow
def test_real_voices_are_as_high_as_pyin_says(recordings):
    """In frames that are not silent; pYIN also calls the hum between words voiced."""
    ratios = []
    for file in sorted(recordings.rglob("*.wav"))[::149]:
        wave = _read(file)
        f0, voiced, _ = librosa.pyin(
            wave, fmin=60, fmax=500, sr=RATE, frame_length=FRAME, hop_length=HOP, center=False
        )
        ratios.append(measure_prosody(wave, RATE).f0_hz / np.median(f0[voiced & _spoken(wave)]))
    assert np.median(np.abs(12 * np.log2(ratios))) < 0.5
