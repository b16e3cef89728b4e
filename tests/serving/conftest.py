"""An exported model for the tests of this folder."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.export.exportable_model import Enrollment, ExportableModel, PredictionSettings
from serkit.export.saved_model import export_model
from serkit.models.compact import CompactSettings, compact
from serkit.models.speaker_adaptive import SpeakerAdaptiveLDA
from serkit.models.speech_features import SpeechFeatures
from serkit.models.whisper import WhisperSettings, whisper_encoder

CLASSES = ("angry", "happy", "sad")


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """The Keras model, and the folder of the versions that it was exported to."""
    spec = SpectrogramSpec()
    model = compact(3, spec.shape, CompactSettings(channels=(4, 8)), seed=1)
    folder = tmp_path_factory.mktemp("models") / "tiny"
    export_model(ExportableModel([model], spec, CLASSES), folder, {"run": "test"})
    return model, folder


@pytest.fixture(scope="session")
def loaded(exported):
    """Signatures of the exported model by name."""
    return tf.saved_model.load(str(exported[1] / "1")).signatures


@pytest.fixture(scope="session")
def adaptive_classifier():
    rng = np.random.default_rng(0)
    classifier = SpeakerAdaptiveLDA(features=256, components=8, classes=3)
    shapes = [tuple(weight.shape) for weight in classifier.weights]
    weights = [rng.normal(0, 0.5, shape) for shape in shapes]
    weights[-1] = np.abs(weights[-1])
    classifier.set_weights(weights)
    return classifier


@pytest.fixture(scope="session")
def small_encoder():
    keras.utils.set_random_seed(1)
    return SpeechFeatures(whisper_encoder(WhisperSettings(depth=2, width=64)))


@pytest.fixture(scope="session")
def adaptive_version(adaptive_classifier, small_encoder, tmp_path_factory):
    """A model of an encoder that adapts to speakers, with random weights."""
    network = keras.Sequential([keras.Input(small_encoder.shape), keras.layers.Dense(3)])
    classes = ("angry", "neutral", "sad")
    settings = PredictionSettings(0.5, threshold=0.7)
    enrollment = Enrollment(adaptive_classifier, settings)
    model = ExportableModel([network], small_encoder, classes, enrollment=enrollment)
    return export_model(model, tmp_path_factory.mktemp("enrollment") / "mine")


@pytest.fixture
def recordings_in_memory(wav_bytes) -> list[bytes]:
    """WAV files of two seconds of noise, with several rates, sample formats and channel counts."""
    rng = np.random.default_rng(7)
    formats = [(16_000, "PCM_16", 1), (44_100, "PCM_24", 2), (8_000, "FLOAT", 1)]
    return [
        wav_bytes(rng.uniform(-0.5, 0.5, (2 * rate, channel_count)), rate, subtype)
        for rate, subtype, channel_count in formats
    ]
