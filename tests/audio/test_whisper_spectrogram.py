import warnings

import librosa
import numpy as np
import pytest
import tensorflow as tf

from serkit.audio.whisper_spectrogram import MAX_SAMPLES, SAMPLE_RATE, whisper_spectrogram

LENGTHS = [201, 399, 1_600, 1_601, 15_999, 16_077, 50_001]


def _noise(rng, samples: int) -> np.ndarray:
    return (rng.standard_normal(samples) * 0.1 * np.hanning(samples)).astype("float32")


def _by_librosa(wave: np.ndarray, mels: int) -> np.ndarray:
    """As OpenAI's code computes it; the last frame, which is centred at the end, is dropped."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "n_fft=400 is too large")
        transform = librosa.stft(
            wave, n_fft=400, hop_length=160, window="hann", center=True, pad_mode="reflect"
        )
    power = np.abs(transform[:, :-1]) ** 2
    levels = librosa.filters.mel(sr=16_000, n_fft=400, n_mels=mels) @ power
    levels = np.log10(np.maximum(levels, 1e-10))
    return (np.maximum(levels, levels.max() - 8).T + 4) / 4


@pytest.mark.parametrize("mels", [80, 128])
@pytest.mark.parametrize("samples", LENGTHS)
def test_equals_librosa(rng, samples, mels):
    wave = _noise(rng, samples)
    found = whisper_spectrogram(wave[np.newaxis], mels).numpy()[0]
    expected = _by_librosa(wave, mels)
    assert found.shape == (samples // 160, mels)
    assert found.dtype == np.float32
    # Some noise is 40 dB and more below the maximum, so that the logarithm counts.
    assert np.ptp(expected) > 0.5
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_mel_bands_of_a_tone_are_those_of_librosa():
    wave = np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000).astype("float32")
    picture = whisper_spectrogram(wave[np.newaxis]).numpy()[0]
    centres = librosa.mel_frequencies(82, fmin=0, fmax=8000)[1:-1]
    assert centres[picture.mean(axis=0).argmax()] == pytest.approx(1000, rel=0.03)
    assert picture.shape == (100, 80)


def test_values_of_a_clip_span_2_at_most_and_go_below_1(rng):
    wave = np.concatenate([_noise(rng, 8_000), np.zeros(8_000, "float32")])
    picture = whisper_spectrogram(wave[np.newaxis]).numpy()
    assert np.ptp(picture) == pytest.approx(2, abs=1e-6)
    # The level of silence is 8 below the maximum.
    np.testing.assert_allclose(picture[0, 60:], picture.max() - 2, atol=1e-6)


def test_digital_silence_is_at_the_floor_of_the_power():
    picture = whisper_spectrogram(np.zeros((1, 1_600), "float32")).numpy()
    # log10(1e-10) = -10, then (-10 + 4) / 4.
    np.testing.assert_allclose(picture, -1.5, atol=1e-5)


def test_a_clip_in_a_batch_is_the_same_as_the_clip_alone(rng):
    waves = np.stack([_noise(rng, 16_077) for _ in range(5)])
    # The range of each clip begins at its own maximum.
    waves[1] *= 1e-4
    together = whisper_spectrogram(waves).numpy()
    for wave, picture in zip(waves, together, strict=True):
        # With oneDNN, the order of addition in a product depends on the number of rows.
        alone = whisper_spectrogram(wave[np.newaxis])[0]
        np.testing.assert_allclose(alone, picture, rtol=0, atol=1e-6)


def test_one_graph_takes_batches_and_lengths_of_any_size(rng):
    traces = []

    def compute(waves):
        traces.append(waves.shape)
        return whisper_spectrogram(waves)

    graph = tf.function(compute, input_signature=[tf.TensorSpec([None, None])])
    for batch, samples in ((1, 1_600), (3, 16_077), (2, 40_000)):
        waves = np.stack([_noise(rng, samples) for _ in range(batch)])
        np.testing.assert_allclose(graph(waves), whisper_spectrogram(waves), atol=1e-6)
    assert len(traces) == 1


def test_eager_and_graph_are_bit_identical(rng):
    waves = np.stack([_noise(rng, 16_077) for _ in range(3)])
    graph = tf.function(whisper_spectrogram, input_signature=[tf.TensorSpec([None, None])])
    np.testing.assert_array_equal(graph(waves), whisper_spectrogram(waves))


def test_in_a_dataset_s_map_it_is_the_same(rng):
    waves = [_noise(rng, samples) for samples in (1_601, 16_000, 8_123)]
    dataset = tf.data.Dataset.from_generator(
        lambda: iter(waves), output_signature=tf.TensorSpec([None])
    ).map(lambda wave: whisper_spectrogram(wave[tf.newaxis], 128)[0])
    # tf.data would give an operation one thread; sums are in the same order with as many.
    options = tf.data.Options()
    options.threading.max_intra_op_parallelism = 0
    for wave, picture in zip(waves, dataset.with_options(options), strict=True):
        np.testing.assert_array_equal(whisper_spectrogram(wave[np.newaxis], 128)[0], picture)


def test_thirty_seconds_are_3000_frames():
    assert MAX_SAMPLES == 30 * SAMPLE_RATE == 480_000
    shape = whisper_spectrogram(np.zeros((1, MAX_SAMPLES), "float32")).shape
    assert shape == (1, 3_000, 80)
