import keras
import librosa
import numpy as np
import pytest
import tensorflow as tf

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.errors import InputError
from serkit.layers import LogMelSpectrogram, SpecAugment

SPEC = SpectrogramSpec(frames=16, bins=24, window=512, hop=128, fft=1024)


@pytest.fixture
def waveforms(rng):
    """Clips of levels that differ by up to 100 dB, and silence."""
    levels = np.array([1.0, 1e-5, 0.1, 0.0, 1e-3, 0.5, 1e-2])[:, np.newaxis]
    return (levels * rng.normal(0, 0.2, (7, SPEC.samples))).astype("float32")


def _one_by_one(layer, waveforms):
    return np.concatenate([layer(waveform[np.newaxis]) for waveform in waveforms])


def test_a_clip_is_bit_identical_alone_and_in_any_batch(waveforms):
    """Not so in kapre and in Keras' MelSpectrogram, whose dynamic range is that of the batch."""
    layer = LogMelSpectrogram(SPEC)
    expected = _one_by_one(layer, waveforms)
    assert expected.shape == (7, *SPEC.shape)
    np.testing.assert_array_equal(expected.max(axis=(1, 2, 3)), [1, 1, 1, -1, 1, 1, 1])
    np.testing.assert_array_equal(layer(waveforms), expected)
    np.testing.assert_array_equal(layer(waveforms[::-1])[::-1], expected)
    np.testing.assert_array_equal(layer(waveforms[1:3]), expected[1:3])
    keras_layer = keras.layers.MelSpectrogram(
        fft_length=1024, sequence_stride=128, sequence_length=512, num_mel_bins=24
    )
    # The fault that this test is about.
    assert not np.allclose(keras_layer(waveforms)[1], keras_layer(waveforms[1]), atol=1)


def test_in_dataset_map_and_after_loading_it_is_bit_identical_too(waveforms, tmp_path):
    layer = LogMelSpectrogram(SPEC)
    expected = _one_by_one(layer, waveforms)
    for size in (1, 3, 7):
        mapped = tf.data.Dataset.from_tensor_slices(waveforms).batch(size).map(layer)
        np.testing.assert_array_equal(np.concatenate(list(mapped)), expected)
    model = keras.Sequential([keras.Input((SPEC.samples,)), layer])
    assert model.output_shape == (None, *SPEC.shape)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.layers[0].spec == SPEC
    np.testing.assert_array_equal(again.predict(waveforms, batch_size=4, verbose=0), expected)
    again.export(tmp_path / "exported", verbose=False)
    served = tf.saved_model.load(tmp_path / "exported").serve
    np.testing.assert_array_equal(served(waveforms), expected)
    np.testing.assert_array_equal(served(waveforms[2:3]), expected[2:3])


def test_equals_librosa(rng):
    spec = SpectrogramSpec(frames=16)
    levels = np.array([[1.0], [1e-4], [0.1]])
    waveforms = (levels * rng.normal(0, 0.2, (3, spec.samples))).astype("float32")
    found = LogMelSpectrogram(spec)(waveforms).numpy()[..., 0]
    # Librosa's frames are as long as the FFT; its window is padded with zeros to that length.
    behind = spec.fft - spec.window
    power = librosa.feature.melspectrogram(
        y=np.pad(waveforms, [(0, 0), (0, behind)]),
        sr=spec.sample_rate,
        n_fft=spec.fft,
        hop_length=spec.hop,
        window=np.pad(librosa.filters.get_window("hann", spec.window), (0, behind)),
        center=False,
        n_mels=spec.bins,
        fmin=spec.low_hz,
        fmax=spec.high_hz,
        htk=True,
        norm=None,
    )
    for spectrogram, reference in zip(found, power, strict=True):
        decibels = librosa.power_to_db(reference, ref=np.max, amin=1e-30, top_db=spec.range_db)
        np.testing.assert_allclose(spectrogram, 1 + decibels.T / 40, atol=1e-3)


def test_mixed_precision_rounds_the_result_alone(waveforms):
    found = LogMelSpectrogram(SPEC, dtype="mixed_bfloat16")(waveforms)
    assert found.dtype == tf.bfloat16
    expected = tf.cast(LogMelSpectrogram(SPEC)(waveforms), tf.bfloat16)
    np.testing.assert_array_equal(tf.cast(found, tf.float32), tf.cast(expected, tf.float32))


@pytest.mark.parametrize("shape", [(2, 1000), (2, 1000, 1)])
def test_waveforms_of_another_length_are_refused(shape):
    with pytest.raises(InputError, match=f"waveforms.*{SPEC.samples}.*1000"):
        LogMelSpectrogram(SPEC)(np.zeros(shape, "float32"))


@pytest.fixture
def spectrograms(rng):
    return rng.uniform(-0.9, 1, (4, 32, 40, 1)).astype("float32")


def test_spec_augment_is_active_in_training_only(spectrograms):
    layer = SpecAugment(0.5, 0.5, 0.2, seed=1)
    np.testing.assert_array_equal(layer(spectrograms), spectrograms)
    np.testing.assert_array_equal(layer(spectrograms, training=False), spectrograms)
    found = layer(spectrograms, training=True).numpy()
    assert found.shape == spectrograms.shape
    masked = found == -1
    assert 0 < masked.mean() < 0.75
    # Every spectrogram has masks of its own, and every call.
    assert len({mask.tobytes() for mask in masked}) == 4
    assert not np.array_equal(layer(spectrograms, training=True), found)


def test_spec_augment_depends_on_the_seed_alone(spectrograms, tmp_path):
    def called(layer):
        return np.stack([layer(spectrograms, training=True) for _ in range(2)])

    layer = SpecAugment(seed=3)
    expected = called(layer)
    np.testing.assert_array_equal(called(SpecAugment(seed=3)), expected)
    assert not np.array_equal(called(SpecAugment(seed=4)), expected)
    model = keras.Sequential([keras.Input((32, 40, 1)), SpecAugment(0.3, 0.2, 0.1, seed=3)])
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras").layers[0]
    assert again.get_config() == model.layers[0].get_config()
    np.testing.assert_array_equal(called(again), called(model.layers[0]))


def test_spec_augment_in_dataset_map(spectrograms):
    data = tf.data.Dataset.from_tensors(spectrograms)
    layer = SpecAugment(seed=3)
    (found,) = data.map(lambda x: layer(x, training=True))
    np.testing.assert_array_equal(found, SpecAugment(seed=3)(spectrograms, training=True))


@pytest.mark.parametrize("name", ["time", "frequency", "shift"])
def test_spec_augment_refuses_fractions_out_of_range(name):
    with pytest.raises(InputError, match=rf"{name}.*1\.5"):
        SpecAugment(**{name: 1.5})
