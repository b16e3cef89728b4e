from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from serkit.audio.loading import load_segments, load_waveform
from serkit.audio.spectrogram import SpectrogramSpec, to_spectrogram
from serkit.datasets.audit import audit
from serkit.export import signatures
from serkit.training.spectrograms import compute_spectrograms, spectrogram_dataset


@pytest.fixture(scope="module")
def drawing(bayesian_export):
    """The signatures of an exported network with random layers."""
    return tf.saved_model.load(str(bayesian_export)).signatures


def _same(found, expected, atol=0.0):
    assert set(found) == set(expected) == set(signatures.OUTPUTS)
    for name, values in expected.items():
        if values.dtype == tf.float32:
            np.testing.assert_allclose(found[name], values, atol=atol)
        else:
            np.testing.assert_array_equal(found[name].numpy(), values.numpy())


def test_files_waveforms_and_spectrograms_get_the_same_answer(loaded, wav_bytes, rng):
    spec = SpectrogramSpec()
    for samples in (16_000, 120_000):
        waves = rng.uniform(-0.5, 0.5, (2, samples)).astype("float32")
        files = tf.constant([wav_bytes(wave, subtype="FLOAT") for wave in waves])
        of_files = loaded["serving_default"](wav_bytes=files)
        _same(loaded["waveform"](waveform=tf.constant(waves)), of_files, 1e-6)
        if samples < spec.samples:
            pictures = loaded["features"](wav_bytes=files)["spectrogram"]
            _same(loaded["spectrogram"](spectrogram=pictures), of_files, 1e-6)


def test_one_bad_example_does_not_fail_the_others(loaded, rng):
    waves = rng.uniform(-0.5, 0.5, (3, 16_000)).astype("float32")
    good = loaded["waveform"](waveform=tf.constant(waves))
    waves[1, 5] = np.nan
    found = loaded["waveform"](waveform=tf.constant(waves))
    assert found["status"].numpy().tolist() == [b"", b"values that are not finite", b""]
    assert found["abstain"].numpy().tolist() == [False, True, False]
    for row in (0, 2):
        np.testing.assert_array_equal(found["probabilities"][row], good["probabilities"][row])
    pictures = rng.uniform(-1, 1, (2, *SpectrogramSpec().shape)).astype("float32")
    pictures[0, 3, 4] = np.inf
    found = loaded["spectrogram"](spectrogram=tf.constant(pictures))
    assert found["status"].numpy().tolist() == [b"values that are not finite", b""]
    assert found["probabilities"].numpy().sum(axis=1) == pytest.approx([0, 1])
    nothing = loaded["waveform"](waveform=tf.zeros((1, 0)))
    assert nothing["status"].numpy().tolist() == [b"a waveform without samples"]


def test_labels_can_be_asked_for(loaded):
    found = loaded["classes"](any=tf.zeros([2], tf.int32))["classes"].numpy()
    assert found.tolist() == [[b"angry", b"happy", b"sad"]] * 2


def test_who_draws_can_be_asked_more_often(drawing, wav_bytes, rng):
    files = tf.constant([wav_bytes(rng.uniform(-0.5, 0.5, 16_000)) for _ in range(2)])

    def sampled(number):
        return drawing["sampled"](wav_bytes=files, samples=tf.constant([1, number]))

    usual = drawing["serving_default"](wav_bytes=files)
    _same(sampled(4), usual, 1e-6)
    assert np.abs(sampled(40)["probabilities"] - usual["probabilities"]).max() > 1e-4
    assert usual["mutual_information"].numpy().min() > 0
    # What cannot be is brought into range: a server must not be asked for a billion samples.
    _same(sampled(-3), sampled(1))


def test_the_default_of_samples_is_in_the_signature(bayesian_export):
    proto = SavedModel.FromString((bayesian_export / "saved_model.pb").read_bytes())
    sampled = proto.meta_graphs[0].signature_def["sampled"]
    assert set(sampled.inputs) == {"wav_bytes", "samples"}
    defaults = {name: tf.make_ndarray(value).tolist() for name, value in sampled.defaults.items()}
    assert defaults == {"samples": [4]}


def test_whatever_comes_gets_an_answer_or_a_status(loaded, wav_bytes, rng):
    noise = rng.uniform(-0.5, 0.5, 16_000)
    lying = bytearray(wav_bytes(noise))
    lying[40:44] = b"\xff" * 4
    cases = {
        "empty": (b"", "not a WAV file"),
        "one byte": (b"R", "not a WAV file"),
        "HTML": (b"<html><body>404</body></html>", "not a WAV file"),
        "a stub of Git LFS": (b"version https://git-lfs.github.com/spec/v1\n", "not a WAV file"),
        "a header that lies": (bytes(lying), ""),
        "NaN": (wav_bytes(np.array([0.1, np.nan, 0.2]), subtype="FLOAT"), "not finite"),
        "loud": (wav_bytes(np.array([0.1, 1e19, 0.2]), subtype="FLOAT"), "far above full scale"),
        "no samples": (wav_bytes(np.zeros(0)), "without samples"),
        "one sample": (wav_bytes(np.array([0.5])), ""),
        "192 kHz": (wav_bytes(rng.uniform(-0.5, 0.5, 192_000), 192_000), ""),
        "eight channels": (wav_bytes(rng.uniform(-0.5, 0.5, (16_000, 8))), ""),
        "silence": (wav_bytes(np.zeros(16_000)), ""),
    }
    files = tf.constant([data for data, _ in cases.values()])
    found = {name: value.numpy() for name, value in loaded["serving_default"](files).items()}
    for row, (name, (_, words)) in enumerate(cases.items()):
        status = found["status"][row].decode()
        assert words in status if words else status == "", (name, status)
        assert found["probabilities"][row].sum() == pytest.approx(0 if words else 1, abs=1e-5)
        assert np.isfinite(found["entropy"][row])


def test_an_hour_is_heard_in_its_middle_and_memory_holds(loaded, wav_bytes):
    long = np.zeros(8_000 * 3600, "int16")
    long[::7] = 1000
    found = loaded["serving_default"](wav_bytes=tf.constant([wav_bytes(long, 8_000)]))
    assert found["status"].numpy().tolist() == [b""]
    assert found["note"].numpy()[0].startswith(b"longer than 10 minutes")


@pytest.mark.recordings
def test_serving_hears_what_training_heard(recordings, loaded, exported, tmp_path):
    """200 real recordings: the same spectrograms to the bit, and the same answers within 1e-6."""
    folder = tmp_path / "RAVDESS"
    folder.mkdir()
    for file in sorted(recordings.rglob("*.wav"))[::6][:200]:
        (folder / file.name).symlink_to(file)
    corpus = audit([folder]).corpus
    assert len(corpus) == 200
    spec, (model, _) = SpectrogramSpec(), exported
    pipeline = np.concatenate([x for _, x in spectrogram_dataset(corpus.files(), spec)])
    cached = compute_spectrograms(corpus, spec, cache=tmp_path / "cache")[:]
    files = [Path(file).read_bytes() for file in corpus.files()]
    contents = tf.data.Dataset.from_tensor_slices(files)
    (waves,) = contents.map(lambda data: load_waveform(data, spec).waveform).batch(200)
    for start in range(0, 200, 40):
        some = tf.constant(files[start : start + 40])
        pictures = loaded["features"](wav_bytes=some)["spectrogram"]
        np.testing.assert_array_equal(pictures, pipeline[start : start + 40])
        # Which the cache keeps in half as many bits.
        halved = pictures.numpy().astype("float16")
        np.testing.assert_array_equal(halved, cached[start : start + 40])
        np.testing.assert_array_equal(to_spectrogram(waves[start : start + 40], spec), pictures)
    heard = contents.map(lambda data: load_segments(data, spec))
    short = [row for row, one in enumerate(heard) if len(one.waveform) == 1]
    assert len(short) > 10
    expected = tf.nn.softmax(model.predict(pipeline[short], verbose=0))
    found = loaded["serving_default"](wav_bytes=tf.constant([files[row] for row in short]))
    np.testing.assert_allclose(found["probabilities"], expected, atol=1e-6)
