import librosa
import numpy as np
import pytest

from serkit.audio.spectrogram import SCALES, centre_frequencies, triangular_filterbank
from serkit.errors import InputError


def test_mel_centres_are_librosa_s_htk_ones():
    expected = librosa.mel_frequencies(n_mels=226, fmin=20, fmax=8000, htk=True)[1:-1]
    np.testing.assert_allclose(centre_frequencies("mel", 224, 20.0, 8000.0), expected, rtol=1e-4)


def test_mel_triangles_are_librosa_s_htk_ones():
    expected = librosa.filters.mel(
        sr=16_000, n_fft=2048, n_mels=64, fmin=20, fmax=8000, htk=True, norm=None
    )
    found = triangular_filterbank("mel", 64, 1025, 16_000, 20.0, 8000.0)
    # tf.signal's sides are straight in mel, librosa's in Hz.
    np.testing.assert_allclose(found, expected.T, atol=1e-2)


def test_linear_over_all_bins_is_the_spectrum_itself():
    found = triangular_filterbank("linear", 1025, 1025, 16_000, 0.0, 8000.0)
    np.testing.assert_array_equal(found, np.eye(1025, dtype=np.float32))


def test_linear_bands_have_equal_widths_and_add_up_to_one():
    found = triangular_filterbank("linear", 65, 1025, 16_000, 0.0, 8000.0)
    np.testing.assert_allclose(found[16:-16].sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(found[:, 1:-1].sum(axis=0), 16, atol=1e-4)


def test_log_bands_are_a_ratio_apart_and_follow_a_tone():
    centres = centre_frequencies("log", 85, 62.5, 8000.0)
    np.testing.assert_allclose(centres[12:] / centres[:-12], 2)
    weights = triangular_filterbank("log", 85, 1025, 16_000, 62.5, 8000.0)
    lengths = (weights > 0).sum(axis=0)
    assert lengths[0] <= 3
    assert lengths[-2] > 50


@pytest.mark.parametrize("scale", SCALES)
def test_no_band_is_empty_and_peaks_lie_at_the_centres(scale):
    weights = triangular_filterbank(scale, 224, 1025, 16_000, 20.0, 8000.0)
    assert weights.shape == (1025, 224)
    assert weights.min() == 0
    assert weights.max() <= 1
    assert weights.max(axis=0).min() > 0.5
    peaks = weights.argmax(axis=0) * 8000 / 1024
    np.testing.assert_allclose(
        peaks, centre_frequencies(scale, 224, 20.0, 8000.0), atol=8000 / 1024
    )


def test_another_scale_is_refused():
    with pytest.raises(InputError, match=r"scale.*bark"):
        centre_frequencies("bark", 10, 20.0, 8000.0)
