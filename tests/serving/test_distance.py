"""Exported models of an encoder abstain on what is unlike their training clips."""

import keras
import numpy as np
import pytest

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.errors import InputError
from serkit.export.exportable_model import (
    FAR_NOTE,
    Enrollment,
    ExportableModel,
    PredictionSettings,
)
from serkit.export.saved_model import export_model
from serkit.models.compact import CompactSettings, compact
from serkit.serving.local import load_model
from serkit.uncertainty.ood import TrainingDistance

CLASSES = ("angry", "neutral", "sad")


@pytest.fixture(scope="module")
def waveforms() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    waves = [rng.normal(0, 0.1, 16_000) * np.hanning(16_000) for _ in range(12)]
    return [wave.astype("f4") for wave in waves]


def test_what_is_unlike_the_training_clips_is_not_answered(
    waveforms, small_encoder, adaptive_classifier, wav_bytes, tmp_path
):
    features = np.stack([small_encoder.of_waveform(wave) for wave in waveforms])
    distance = TrainingDistance.fit(features, ["ann", "bob", "cid"] * 4)
    network = keras.Sequential([keras.Input(small_encoder.shape), keras.layers.Dense(3)])
    enrollment = Enrollment(adaptive_classifier, PredictionSettings())
    exportable = ExportableModel(
        [network], small_encoder, CLASSES, enrollment=enrollment, distance=distance
    )
    model = load_model(export_model(exportable, tmp_path / "mine"))
    assert model.details["answers"]["ood_threshold"] == distance.threshold
    tone = np.sin(np.arange(16_000) / 5).astype("f4") / 2
    near, far = model.predict(waveforms[0]), model.predict(tone)
    # Without a threshold of the entropy there is no other reason to abstain.
    assert (near.abstain, near.note) == (False, "")
    assert (far.abstain, far.note) == (True, FAR_NOTE)
    assert far.label in CLASSES
    # Of an enrolled speaker, too; and an earlier note is kept.
    (tmp_path / "tone.wav").write_bytes(wav_bytes(0.3 + 0 * tone, 16_000, "FLOAT"))
    speaker = np.zeros(adaptive_classifier.shape)
    for options in ({}, {"speaker": speaker}):
        found = model.predict(tmp_path / "tone.wav", **options)
        assert found.abstain
        assert found.note.endswith(FAR_NOTE)
    with pytest.raises(InputError, match=f"cannot be used for enrollment: {FAR_NOTE}"):
        model.enroll(tmp_path / "tone.wav")
    # What cannot be used is not called unlike anything.
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    bad = model.predict(tmp_path / "bad.wav")
    assert (bad.abstain, bad.note) == (True, "")


def test_a_model_of_spectrograms_has_no_distance():
    spec = SpectrogramSpec(frames=32, bins=32)
    network = compact(3, spec.shape, CompactSettings(pool=(1, 1), channels=(4, 8)))
    distance = TrainingDistance(np.zeros(4), np.ones(4), 1.0)
    with pytest.raises(InputError, match="`distance`"):
        ExportableModel([network], spec, CLASSES, distance=distance)
