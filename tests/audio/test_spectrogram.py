import librosa
import numpy as np
import pytest
import soundfile
import tensorflow as tf

from serkit.audio.spectrogram import (
    SpectrogramSpec,
    band_centres,
    fit_length,
    log_mel,
    mel_weights,
)
from serkit.errors import InputError

SPEC = SpectrogramSpec()


def _speechlike(rng, count=3) -> np.ndarray:
    waves = rng.standard_normal((count, SPEC.samples)) * np.hanning(SPEC.samples)
    return (waves * 0.3).astype("float32")


def _by_librosa(wave: np.ndarray) -> np.ndarray:
    mel = librosa.feature.melspectrogram(
        y=wave,
        sr=SPEC.sample_rate,
        n_fft=SPEC.fft,
        win_length=SPEC.fft,
        # librosa centres a short window in the FFT, tf.signal puts zeros behind it; the power
        # spectrum is the same when librosa gets the window with the zeros behind.
        window=np.pad(librosa.filters.get_window("hann", SPEC.window), (0, SPEC.fft - SPEC.window)),
        hop_length=SPEC.hop,
        center=False,
        n_mels=SPEC.bins,
        fmin=SPEC.low_hz,
        fmax=SPEC.high_hz,
        htk=True,
        norm=None,
    )
    return 1 + librosa.power_to_db(mel, ref=np.max, top_db=SPEC.range_db).T / 40


def _compare_with_librosa(wave: np.ndarray) -> None:
    ours = log_mel(wave[np.newaxis], SPEC).numpy()[0, :, :, 0]
    padded = np.pad(wave, (0, SPEC.fft - SPEC.window))
    np.testing.assert_allclose(ours, _by_librosa(padded), atol=1e-3)


def test_the_default_is_224_by_224_without_resizing():
    assert SPEC.samples == 58_112
    assert SPEC.shape == (224, 224, 1)
    assert log_mel(np.zeros((2, SPEC.samples), "float32"), SPEC).shape == (2, 224, 224, 1)


def test_no_mel_band_is_empty_and_a_spec_with_empty_ones_is_refused():
    assert (mel_weights(SPEC) > 0).sum(axis=0).min() >= 1
    with pytest.raises(InputError, match="without an FFT bin at fft=1024"):
        SpectrogramSpec(fft=1024, window=512, bins=400)


def test_equals_librosa(rng):
    _compare_with_librosa(_speechlike(rng, 1)[0])


@pytest.mark.recordings
def test_equals_librosa_on_real_recordings(recordings):
    for file in sorted(recordings.rglob("*.wav"))[::240]:
        samples, _ = soundfile.read(file, dtype="float32")
        _compare_with_librosa(fit_length(tf.constant(samples), SPEC).numpy())


def test_a_tone_lights_the_band_that_holds_it():
    for hertz in (200.0, 1000.0, 5000.0):
        wave = np.sin(2 * np.pi * hertz * np.arange(SPEC.samples) / SPEC.sample_rate)
        picture = log_mel(wave[np.newaxis].astype("float32"), SPEC).numpy()[0, :, :, 0]
        band = picture.mean(axis=0).argmax()
        assert band_centres(SPEC)[band] == pytest.approx(hertz, rel=0.02)


def test_time_runs_along_the_first_axis(rng):
    wave = rng.uniform(-0.5, 0.5, (1, SPEC.samples)).astype("float32")
    wave[0, SPEC.samples // 4 :] = 0
    picture = log_mel(wave, SPEC).numpy()[0, :, :, 0]
    assert picture[:56].max() == 1
    assert picture[:50].min() > -1
    assert picture[80:].max() == -1


def test_a_quiet_clip_beside_a_loud_one_is_the_same_as_alone(rng):
    waves = _speechlike(rng)
    waves[1] *= 1e-3
    together = log_mel(waves, SPEC).numpy()
    for number in range(3):
        np.testing.assert_array_equal(
            together[number], log_mel(waves[number : number + 1], SPEC)[0]
        )


def test_range_is_used_and_silence_is_black(rng):
    picture = log_mel(_speechlike(rng, 1), SPEC).numpy()
    assert picture.max() == 1
    assert picture.min() >= -1
    silent = log_mel(np.zeros((1, SPEC.samples), "float32"), SPEC).numpy()
    np.testing.assert_array_equal(silent, -1)


def test_eager_graph_and_map_are_equal(rng):
    waves = _speechlike(rng)
    eager = log_mel(waves, SPEC).numpy()
    np.testing.assert_array_equal(eager, tf.function(lambda w: log_mel(w, SPEC))(waves))
    mapped = tf.data.Dataset.from_tensors(waves).map(lambda w: log_mel(w, SPEC))
    np.testing.assert_array_equal(eager, next(iter(mapped)))


@pytest.mark.parametrize(("length", "first"), [(58_112, 0), (58_115, 1), (116_224, 29_056)])
def test_longer_waveforms_lose_their_ends(length, first):
    out = fit_length(tf.range(length, dtype=tf.float32), SPEC).numpy()
    assert (out[0], len(out)) == (first, SPEC.samples)


def test_shorter_waveforms_get_silence_around_them():
    out = fit_length(tf.ones(1001), SPEC).numpy()
    assert out.sum() == 1001
    before, after = np.flatnonzero(out)[0], SPEC.samples - 1 - np.flatnonzero(out)[-1]
    assert abs(before - after) <= 1
    assert fit_length(tf.ones(0), SPEC).shape == (SPEC.samples,)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"frames": 0}, "frames=0"),
        ({"fft": 512}, "fft=512"),
        ({"high_hz": 9000.0}, "high_hz=9000.0"),
        ({"low_hz": 8000.0}, "low_hz=8000.0"),
    ],
)
def test_settings_are_checked(values, words):
    with pytest.raises(InputError, match=words):
        SpectrogramSpec(**values)
