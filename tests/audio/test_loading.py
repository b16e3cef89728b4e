import numpy as np
import pytest
import tensorflow as tf

from serkit.audio.loading import load_waveform
from serkit.audio.spectrogram import SpectrogramSpec

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


def test_bad_bytes_give_silence_and_a_status():
    waveform, status = load_waveform(tf.constant(b"nothing"), SPEC)
    assert b"not a WAV file" in status.numpy()
    np.testing.assert_array_equal(waveform, np.zeros(SPEC.samples))
