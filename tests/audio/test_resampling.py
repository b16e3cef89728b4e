import numpy as np
import pytest
import soxr
import tensorflow as tf

from serkit.audio.resampling import resample

RATES = [48_000, 44_100, 24_414, 22_050, 8_000, 16_001]


@pytest.mark.parametrize("rate", RATES)
def test_a_tone_stays_where_and_what_it_was(rate):
    seconds = np.arange(2 * rate) / rate
    wave = np.sin(2 * np.pi * 1000 * seconds).astype("float32")
    out = resample(tf.constant(wave), rate, 16_000).numpy()
    expected = np.sin(2 * np.pi * 1000 * np.arange(len(out)) / 16_000)
    assert len(out) == 32_000
    np.testing.assert_allclose(out[1600:-1600], expected[1600:-1600], atol=2e-4)


@pytest.mark.parametrize("rate", [48_000, 44_100])
def test_what_cannot_be_represented_is_gone(rate):
    seconds = np.arange(rate) / rate
    wave = (np.sin(2 * np.pi * 9000 * seconds) * np.hanning(rate)).astype("float32")
    out = resample(tf.constant(wave), rate, 16_000).numpy()
    assert np.abs(out).max() < 1e-4  # 80 dB below the tone


@pytest.mark.parametrize("rate", RATES)
def test_agrees_with_soxr(rate, rng):
    """On noise within the pass-band of both, away from the ends."""
    spectrum = np.fft.rfft(rng.standard_normal(rate))
    spectrum[int(0.42 * min(rate, 16_000)) :] = 0
    wave = np.fft.irfft(spectrum, rate).astype("float32")
    ours = resample(tf.constant(wave), rate, 16_000).numpy()
    theirs = soxr.resample(wave, rate, 16_000, "HQ")
    inner = slice(800, min(len(ours), len(theirs)) - 800)
    assert np.abs(ours[inner] - theirs[inner]).max() < 2e-4 * np.abs(theirs).max()


def test_equal_rates_change_nothing(rng):
    wave = rng.standard_normal(1234).astype("float32")
    np.testing.assert_array_equal(resample(tf.constant(wave), 16_000, 16_000), wave)


def test_one_graph_takes_any_rate_and_length(rng):
    calls = tf.function(
        lambda wave, rate: resample(wave, rate, 16_000),
        input_signature=[tf.TensorSpec([None]), tf.TensorSpec([], tf.int32)],
    )
    for rate, samples in ((48_000, 1), (8_000, 5), (44_100, 10_007)):
        wave = tf.constant(rng.standard_normal(samples).astype("float32"))
        out = calls(wave, rate)
        assert out.shape == (-(-samples * 16_000 // rate),)
        np.testing.assert_allclose(out, resample(wave, rate, 16_000), atol=1e-6)
