import librosa
import numpy as np
import pytest
import soundfile
import tensorflow as tf

from serkit.audio.loading import fit_length, split_into_segments, trim_silence
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.errors import InputError

SPEC = SpectrogramSpec()


def _burst(rng, before, sound, after) -> np.ndarray:
    wave = np.concatenate([np.zeros(before), rng.standard_normal(sound), np.zeros(after)])
    return (0.1 * wave).astype("float32")


@pytest.mark.parametrize("lengths", [(8000, 9000, 5000), (0, 4000, 12_345), (3, 20, 7), (1, 0, 9)])
def test_trimming_equals_librosa_s(rng, lengths):
    wave = _burst(rng, *lengths)
    wave += 1e-5 * rng.standard_normal(len(wave)).astype("float32") * (lengths[1] > 0)
    expected, _ = librosa.effects.trim(wave, top_db=40)
    if not wave.any():
        # librosa keeps all of what is nothing but zeros.
        expected = wave[:0]
    np.testing.assert_array_equal(trim_silence(tf.constant(wave), 40.0), expected)


@pytest.mark.recordings
def test_trimming_equals_librosa_s_on_real_recordings(recordings):
    cut = 0
    for file in sorted(recordings.rglob("*.wav"))[::100]:
        wave, _ = soundfile.read(file, dtype="float32")
        expected, _ = librosa.effects.trim(wave, top_db=30)
        np.testing.assert_array_equal(trim_silence(tf.constant(wave), 30.0), expected)
        cut += len(wave) - len(expected)
    assert cut > 0


def test_trimming_is_of_the_ends_only(rng):
    wave = np.concatenate([_burst(rng, 4096, 4096, 8192), _burst(rng, 0, 4096, 4096)])
    trimmed = trim_silence(tf.constant(wave), 40.0).numpy()
    assert (trimmed == 0).sum() > 4096
    assert len(trimmed) < len(wave)


def test_trimming_by_nothing_is_refused():
    with pytest.raises(InputError, match=r"top_db.*0\.0"):
        trim_silence(tf.ones(3), 0.0)


@pytest.mark.parametrize("length", [0, 1, 1000, SPEC.samples - 1, SPEC.samples])
def test_a_waveform_that_fits_is_one_segment_and_may_get_zeros_around(length):
    wave = tf.range(1, length + 1, dtype=tf.float32)
    np.testing.assert_array_equal(split_into_segments(wave, SPEC.samples), [wave])
    before = (SPEC.samples - length) // 2
    padded = fit_length(wave, SPEC)
    assert padded.shape == (SPEC.samples,)
    np.testing.assert_array_equal(padded[before : before + length], wave)


@pytest.mark.parametrize("length", [SPEC.samples + 1, 90_000, 3 * SPEC.samples, 777_777])
def test_segments_cover_everything_and_overlap_by_half(length):
    found = split_into_segments(tf.range(length, dtype=tf.float32), SPEC.samples).numpy()
    starts = found[:, 0].astype(int)
    for start, row in zip(starts, found, strict=True):
        np.testing.assert_array_equal(row, np.arange(start, start + SPEC.samples))
    assert (starts[0], starts[-1] + SPEC.samples) == (0, length)
    assert 0 < np.diff(starts).max() <= SPEC.samples // 2
    assert np.diff(starts).min() >= min(np.diff(starts).max() - 1, SPEC.samples // 4)


def test_the_middle_is_cut_out():
    wave = tf.range(SPEC.samples + 10, dtype=tf.float32)
    np.testing.assert_array_equal(fit_length(wave, SPEC), np.arange(5, SPEC.samples + 5))


def test_one_graph_takes_any_length(rng):
    graph = tf.function(
        lambda wave: split_into_segments(trim_silence(wave, 30.0), SPEC.samples),
        input_signature=[tf.TensorSpec([None])],
    )
    for length in (10, 60_000, 200_000):
        wave = tf.constant(rng.standard_normal(length).astype("float32"))
        np.testing.assert_array_equal(
            graph(wave), split_into_segments(trim_silence(wave, 30.0), SPEC.samples)
        )
