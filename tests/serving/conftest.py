"""An exported model for the tests of this folder."""

import numpy as np
import pytest
import tensorflow as tf

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.export.exportable_model import ExportableModel
from serkit.export.saved_model import export_model
from serkit.models.compact import CompactSettings, compact

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


@pytest.fixture
def recordings_in_memory(wav_bytes) -> list[bytes]:
    """WAV files of two seconds of noise, with several rates, sample formats and channel counts."""
    rng = np.random.default_rng(7)
    formats = [(16_000, "PCM_16", 1), (44_100, "PCM_24", 2), (8_000, "FLOAT", 1)]
    return [
        wav_bytes(rng.uniform(-0.5, 0.5, (2 * rate, channel_count)), rate, subtype)
        for rate, subtype, channel_count in formats
    ]
