from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from serkit.audio.loading import (
    fit_length,
    load_segments,
    load_waveform,
    split_into_segments,
    trim_silence,
)
from serkit.audio.resampling import resample
from serkit.audio.spectrogram import SpectrogramSpec

SPEC = SpectrogramSpec()


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
def test_any_rate_gives_the_same_tone_of_the_spec_s_length(wav_bytes, rate):
    seconds = np.arange(3 * rate) / rate
    data = wav_bytes(0.5 * np.sin(2 * np.pi * 440 * seconds), rate, "FLOAT")
    waveform, status, _ = load_waveform(data, SPEC)
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
    waveform, *_ = load_waveform(wav_bytes(wave, rate, "FLOAT"), SPEC)
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
        waveform, status, _ = load_waveform(bytes(data), SPEC)
        assert status == b""
        assert waveform.shape == (SPEC.samples,)


def test_bad_bytes_give_silence_and_a_status():
    waveform, status, _ = load_waveform(tf.constant(b"nothing"), SPEC)
    assert b"not a WAV file" in status.numpy()
    np.testing.assert_array_equal(waveform, np.zeros(SPEC.samples))


def test_a_short_recording_is_one_segment_its_waveform(wav_bytes, rng):
    data = wav_bytes(rng.uniform(-0.5, 0.5, 44_100), 44_100)
    found = load_segments(data, SPEC)
    assert found.waveform.shape == (1, SPEC.samples)
    np.testing.assert_array_equal(found.waveform[0], load_waveform(data, SPEC).waveform)


@pytest.mark.parametrize(("longer", "segments"), [(1.09, 1), (1.11, 2)])
@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_of_a_recording_that_is_hardly_longer_than_a_segment_the_middle_is_used(
    wav_bytes, rng, rate, longer, segments
):
    length = int(longer * SPEC.samples * rate / SPEC.sample_rate)
    data = wav_bytes(rng.uniform(-0.5, 0.5, length), rate)
    found = load_segments(data, SPEC).waveform
    assert found.shape == (segments, SPEC.samples)
    middle = load_waveform(data, SPEC).waveform
    if rate == SPEC.sample_rate:
        assert (segments == 1) == np.array_equal(found[0], middle)


def test_segments_of_a_long_recording_cover_all_of_it(wav_bytes, rng):
    wave = rng.uniform(-0.5, 0.5, 20 * 16_000).astype("float32")
    found = load_segments(wav_bytes(wave, subtype="FLOAT"), SPEC)
    np.testing.assert_array_equal(
        found.waveform, split_into_segments(tf.constant(wave), SPEC.samples)
    )
    assert len(found.waveform) == 11


def test_silence_is_noted_but_not_of_a_file_that_cannot_be_used(wav_bytes):
    silent = wav_bytes(np.zeros(8_000, "float32"))
    assert b"silent" in load_segments(silent, SPEC).note.numpy()
    one_sample = np.zeros(8_000, "float32")
    one_sample[500] = 1e-3
    assert load_segments(wav_bytes(one_sample), SPEC).note == b""
    broken = load_segments(b"RIFF", SPEC)
    assert broken.status != b""
    assert broken.note == b""


def test_of_more_than_ten_minutes_the_middle_ten_are_taken(wav_bytes):
    wave = np.zeros(700 * 8_000, "uint8") + 128
    data = bytearray(wav_bytes(wave.astype("float32") / 256, 1_000, "PCM_U8"))
    found = load_segments(bytes(data), SPEC)
    assert found.status == b""
    assert found.note == b"longer than 10 minutes, of which the middle 10 are used"
    # A header that promises more than there is, too.
    place = data.index(b"data") + 4
    data[place : place + 4] = b"\xff\xff\xff\x7f"
    # In a graph that gives the note alone, nothing is resampled.
    note = tf.function(lambda data: load_segments(data, SPEC).note, [tf.TensorSpec([], tf.string)])
    short = note(bytes(data[:500_000])).numpy()
    assert note(bytes(data)) == short + b"; " + found.note.numpy()
    assert len(found.waveform) == 1 + -(-(600 * 16_000 - SPEC.samples) // (SPEC.samples // 2))


def test_silent_ends_are_trimmed_where_the_spec_says_so(wav_bytes, rng):
    wave = np.zeros(100_000, "float32")
    wave[78_000:88_000] = rng.uniform(-0.5, 0.5, 10_000)
    data = wav_bytes(wave, subtype="FLOAT")
    assert np.abs(load_waveform(data, SPEC).waveform).sum() < np.abs(wave).sum() / 2
    trimmed = load_waveform(data, replace(SPEC, trim_db=40.0)).waveform
    expected = fit_length(trim_silence(tf.constant(wave), 40.0), SPEC)
    np.testing.assert_array_equal(trimmed, expected)
    np.testing.assert_allclose(np.abs(trimmed).sum(), np.abs(wave).sum(), rtol=1e-5)


def test_a_header_that_lies_about_the_length_is_noted(wav_bytes, rng):
    data = bytearray(wav_bytes(rng.uniform(-0.5, 0.5, 16_000)))
    assert load_waveform(bytes(data), SPEC).note == b""
    data[40:44] = b"\xff" * 4
    found = load_waveform(bytes(data), SPEC)
    assert found.status == b""
    assert b"right length" in found.note.numpy()
