import numpy as np
import pytest
import tensorflow as tf

from serkit.audio.loading import load_waveform
from serkit.audio.resampling import resample
from serkit.audio.spectrogram import SpectrogramSpec, fit_length

SPEC = SpectrogramSpec()


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
def test_any_rate_gives_the_same_tone_of_the_spec_s_length(wav_bytes, rate):
    seconds = np.arange(3 * rate) / rate
    data = wav_bytes(0.5 * np.sin(2 * np.pi * 440 * seconds), rate, "FLOAT")
    waveform, status = load_waveform(data, SPEC)
    assert status == b""
    assert waveform.shape == (SPEC.samples,)
    spectrum = np.abs(np.fft.rfft(waveform))
    peak = spectrum.argmax() * SPEC.sample_rate / SPEC.samples
    assert peak == pytest.approx(440, abs=1)


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_of_a_long_recording_it_is_the_middle(wav_bytes, rng, rate):
    """The same as resampling all of it first, within rounding and half a sample's shift."""
    wave = np.cumsum(rng.standard_normal(20 * rate))
    wave = (0.5 * wave / np.abs(wave).max()).astype("float32")
    waveform, _ = load_waveform(wav_bytes(wave, rate, "FLOAT"), SPEC)
    whole = fit_length(resample(tf.constant(wave), tf.constant(rate), SPEC.sample_rate), SPEC)
    if rate == SPEC.sample_rate:
        np.testing.assert_array_equal(waveform, whole)
    else:
        lags = [np.abs(np.roll(waveform, lag) - whole)[10:-10].max() for lag in (-1, 0, 1)]
        assert min(lags) < 0.01


def test_a_header_that_claims_a_strange_rate_costs_nothing(wav_bytes, rng):
    data = bytearray(wav_bytes(rng.uniform(-0.5, 0.5, 3_000_000), subtype="PCM_U8"))
    for claimed in (1_000, 999_983):
        data[24:28] = claimed.to_bytes(4, "little")
        waveform, status = load_waveform(bytes(data), SPEC)
        assert status == b""
        assert waveform.shape == (SPEC.samples,)


def test_bad_bytes_give_silence_and_a_status():
    waveform, status = load_waveform(tf.constant(b"nothing"), SPEC)
    assert b"not a WAV file" in status.numpy()
    np.testing.assert_array_equal(waveform, np.zeros(SPEC.samples))
