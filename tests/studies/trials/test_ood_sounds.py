import numpy as np
import pytest

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.errors import LeakError
from serkit.models.speech_features import SpeechFeatures
from serkit.models.whisper import WhisperSettings, whisper_encoder
from serkit.studies.cross_validation import CrossValidation
from serkit.studies.ood_sounds import OOD_KINDS, all_ood_sounds, ood_sounds

SPEC = SpectrogramSpec(frames=48, bins=32, hop=1024)


def test_every_kind_by_seed():
    found = ood_sounds(SPEC, 4, seed=1)
    assert tuple(found) == OOD_KINDS
    again, other = ood_sounds(SPEC, 4, seed=1), ood_sounds(SPEC, 4, seed=2)
    for kind, spectrograms in found.items():
        assert spectrograms.shape == (4, *SPEC.shape)
        assert spectrograms.dtype == np.float32
        assert np.abs(spectrograms).max() <= 1
        np.testing.assert_array_equal(spectrograms, again[kind])
        assert not np.array_equal(spectrograms, other[kind])


def test_silence_and_tones():
    found = ood_sounds(SPEC, 6, seconds=4.0)
    assert (found["silence"][::2] == -1).all()
    # Tones differ from the bins between them; noise is even.
    uneven = {kind: np.diff(spectrograms, axis=2).std() for kind, spectrograms in found.items()}
    assert uneven["tones"] > 1.2 * uneven["noise"]
    assert found["silence"][1].max() == 1


def test_silence_is_trimmed_as_in_recordings():
    trimming = SpectrogramSpec(frames=48, bins=32, hop=1024, trim_db=30.0)
    found = ood_sounds(trimming, 2, seconds=1.0)
    assert (found["silence"][0] == -1).all()
    assert all(np.isfinite(spectrograms).all() for spectrograms in found.values())


def test_the_test_partition_at_wrong_speeds_and_other_corpora(synthetic_root, tmp_path):
    trial = CrossValidation([synthetic_root / "RAVDESS"], "emotion", SPEC, tmp_path, [0], 3)
    fold = next(iter(trial))
    found = all_ood_sounds(fold, SPEC, [synthetic_root / "SAVEE"], tmp_path)
    test = fold.partitions.split.test
    assert len(found["fast"]) == len(found["slow"]) == len(test)
    plain = fold.partitions.spectrograms(test)
    silent = [(spectrograms == -1).mean() for spectrograms in (found["fast"], plain, found["slow"])]
    assert silent[0] > silent[1] > silent[2]
    assert len(found["other corpus"]) > 0
    with pytest.raises(LeakError, match=r"`corpora`.*speakers of the fold"):
        all_ood_sounds(fold, SPEC, [synthetic_root / "RAVDESS"], tmp_path)


def test_features_of_an_encoder_are_those_of_the_same_sounds():
    encoder = SpeechFeatures(whisper_encoder(WhisperSettings(depth=1, width=64)))
    found = ood_sounds(encoder, 2, seconds=1.0)
    assert {kind: rows.shape for kind, rows in found.items()} == dict.fromkeys(OOD_KINDS, (2, 128))
    # Nothing is left of zeros when silence is trimmed.
    silence = encoder.of_waveform(np.zeros(0, np.float32)).numpy()
    np.testing.assert_allclose(found["silence"][0], silence, rtol=1e-3, atol=1e-3)
