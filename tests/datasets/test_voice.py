from dataclasses import replace

import numpy as np
import pytest

from serkit.datasets.voice import SAMPLE_RATE, Manner, Voice, speak

VOICE = Voice(pitch=120.0, tract=1.0, breathiness=0.05, tempo=4.5, tilt=2.0)
STEADY = Manner(pitch_range=0.0, rise=0.0)


def _speak(voice=VOICE, manner=STEADY, sentence=1, take=2):
    return speak(voice, manner, np.random.default_rng(sentence), np.random.default_rng(take))


def _pitch(wave: np.ndarray) -> float:
    """Fundamental in Hz by the loudest half's autocorrelation."""
    frames = np.lib.stride_tricks.sliding_window_view(wave, 1024)[::256]
    frames = frames[np.argsort((frames**2).sum(axis=1))[len(frames) // 2 :]]
    spectrum = np.fft.rfft(frames * np.hanning(1024), 4096)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2).mean(axis=0)
    low, high = SAMPLE_RATE // 500, SAMPLE_RATE // 70
    return SAMPLE_RATE / (low + np.argmax(correlation[low:high]))


def test_same_draws_same_sound():
    np.testing.assert_array_equal(_speak(), _speak())
    assert _speak(take=3).shape != _speak().shape or not np.array_equal(_speak(take=3), _speak())


def test_pitch_is_the_voices():
    assert _pitch(_speak()) == pytest.approx(120, rel=0.1)
    assert _pitch(_speak(replace(VOICE, pitch=220.0))) == pytest.approx(220, rel=0.1)


def test_manner_moves_pitch_tempo_and_loudness():
    usual = _speak()
    assert _pitch(_speak(manner=replace(STEADY, pitch=5))) == pytest.approx(160, rel=0.1)
    assert len(_speak(manner=replace(STEADY, tempo=0.5))) > 1.8 * len(usual)
    assert np.abs(_speak(manner=replace(STEADY, effort=-10))).max() < 0.5 * np.abs(usual).max()


def test_formants_follow_the_vocal_tract():
    """A shorter tract moves the centre of the spectrum up."""

    def centre(tract):
        power = np.abs(np.fft.rfft(_speak(replace(VOICE, tract=tract)))) ** 2
        frequencies = np.fft.rfftfreq(2 * len(power) - 2, 1 / SAMPLE_RATE)
        return (power * frequencies).sum() / power.sum()

    assert centre(1.2) > 1.08 * centre(1.0)


def test_breath_fills_the_gaps_between_harmonics():
    def valley(breathiness):
        wave = _speak(replace(VOICE, breathiness=breathiness))
        return np.quantile(np.abs(np.fft.rfft(wave)), 0.3) / np.abs(np.fft.rfft(wave)).max()

    assert valley(0.6) > 1.5 * valley(0.0)
