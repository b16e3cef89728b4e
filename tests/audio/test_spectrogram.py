import librosa
import numpy as np
import pytest
import soundfile
import tensorflow as tf

from serkit.audio.loading import fit_length
from serkit.audio.spectrogram import (
    SCALES,
    SpectrogramSpec,
    band_centres,
    band_weights,
    to_spectrogram,
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
    ours = to_spectrogram(wave[np.newaxis], SPEC).numpy()[0, :, :, 0]
    padded = np.pad(wave, (0, SPEC.fft - SPEC.window))
    np.testing.assert_allclose(ours, _by_librosa(padded), atol=1e-3)


def test_the_default_is_224_by_224_without_resizing():
    assert SPEC.samples == 58_112
    assert SPEC.shape == (224, 224, 1)
    assert to_spectrogram(np.zeros((2, SPEC.samples), "float32"), SPEC).shape == (2, 224, 224, 1)


def test_no_mel_band_is_empty_and_a_spec_with_empty_ones_is_refused():
    assert (band_weights(SPEC) > 0).sum(axis=0).min() >= 1
    with pytest.raises(InputError, match=r"bins=400, fft=1024"):
        SpectrogramSpec(fft=1024, window=512, bins=400)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_other_rates_have_the_same_shape_over_the_same_seconds(rate):
    spec = SpectrogramSpec.at_rate(rate, "log")
    assert spec.shape == SPEC.shape
    assert spec.samples / rate == pytest.approx(SPEC.samples / SPEC.sample_rate, rel=2e-3)
    assert spec.fft / rate == pytest.approx(SPEC.fft / SPEC.sample_rate, rel=0.07)
    assert spec.fft % 2 == 0
    assert spec.high_hz == rate / 2
    assert SpectrogramSpec.at_rate(16_000) == SPEC


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
        picture = to_spectrogram(wave[np.newaxis].astype("float32"), SPEC).numpy()[0, :, :, 0]
        band = picture.mean(axis=0).argmax()
        assert band_centres(SPEC)[band] == pytest.approx(hertz, rel=0.02)


def test_time_runs_along_the_first_axis(rng):
    wave = rng.uniform(-0.5, 0.5, (1, SPEC.samples)).astype("float32")
    wave[0, SPEC.samples // 4 :] = 0
    picture = to_spectrogram(wave, SPEC).numpy()[0, :, :, 0]
    assert picture[:56].max() == 1
    assert picture[:50].min() > -1
    assert picture[80:].max() == -1


def test_a_quiet_clip_beside_a_loud_one_is_the_same_as_alone(rng):
    waves = _speechlike(rng)
    waves[1] *= 1e-3
    together = to_spectrogram(waves, SPEC).numpy()
    for number in range(3):
        np.testing.assert_array_equal(
            together[number], to_spectrogram(waves[number : number + 1], SPEC)[0]
        )


def test_range_is_used_and_silence_is_black(rng):
    picture = to_spectrogram(_speechlike(rng, 1), SPEC).numpy()
    assert picture.max() == 1
    assert picture.min() >= -1
    silent = to_spectrogram(np.zeros((1, SPEC.samples), "float32"), SPEC).numpy()
    np.testing.assert_array_equal(silent, -1)


def test_eager_graph_and_map_are_equal(rng):
    waves = _speechlike(rng)
    eager = to_spectrogram(waves, SPEC).numpy()
    np.testing.assert_array_equal(eager, tf.function(lambda w: to_spectrogram(w, SPEC))(waves))
    mapped = tf.data.Dataset.from_tensors(waves).map(lambda w: to_spectrogram(w, SPEC))
    # tf.data would give an operation one thread; sums are in the same order with as many.
    options = tf.data.Options()
    options.threading.max_intra_op_parallelism = 0
    np.testing.assert_array_equal(eager, next(iter(mapped.with_options(options))))


@pytest.mark.parametrize("count", [1, 2, 7, 16])
def test_batched_equals_single_exactly(rng, count):
    waves = _speechlike(rng, count)
    together = to_spectrogram(waves, SPEC).numpy()
    for wave, picture in zip(waves, together, strict=True):
        np.testing.assert_array_equal(to_spectrogram(wave[np.newaxis], SPEC)[0], picture)


@pytest.mark.parametrize("kind", SCALES)
def test_exported_equals_eager_for_every_kind(rng, tmp_path, kind):
    spec = SpectrogramSpec(kind=kind, frames=40, bins=50)
    waves = _speechlike(rng)[:, : spec.samples]
    module = tf.Module()
    signature = [tf.TensorSpec([None, spec.samples])]
    module.serve = tf.function(lambda w: to_spectrogram(w, spec), input_signature=signature)
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    np.testing.assert_array_equal(loaded.serve(waves), to_spectrogram(waves, spec))


def _power_by_librosa(wave: np.ndarray) -> np.ndarray:
    """On our frames; see :func:`_by_librosa` for the window."""
    window = np.pad(librosa.filters.get_window("hann", SPEC.window), (0, SPEC.fft - SPEC.window))
    padded = np.pad(wave, (0, SPEC.fft - SPEC.window))
    transform = librosa.stft(
        padded, n_fft=SPEC.fft, hop_length=SPEC.hop, window=window, center=False
    )
    return np.abs(transform) ** 2


def test_linear_equals_librosa_s_power_spectrum(rng):
    wave = _speechlike(rng, 1)[0]
    spec = SpectrogramSpec(kind="linear", bins=1025, low_hz=0.0)
    expected = 1 + librosa.power_to_db(_power_by_librosa(wave), ref=np.max, top_db=80).T / 40
    found = to_spectrogram(wave[np.newaxis], spec).numpy()[0, :, :, 0]
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("kind", ["log", "linear"])
def test_other_kinds_are_sums_over_librosa_s_power_spectrum(rng, kind):
    wave = _speechlike(rng, 1)[0]
    spec = SpectrogramSpec(kind=kind)
    power = band_weights(spec).T.astype(np.float64) @ _power_by_librosa(wave)
    expected = 1 + librosa.power_to_db(power, ref=np.max, top_db=80).T / 40
    found = to_spectrogram(wave[np.newaxis], spec).numpy()[0, :, :, 0]
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_bfloat16_is_the_float32_result_rounded(rng):
    waves = _speechlike(rng)
    found = to_spectrogram(waves, SPEC, tf.bfloat16)
    assert found.dtype == tf.bfloat16
    np.testing.assert_array_equal(found, tf.cast(to_spectrogram(waves, SPEC), tf.bfloat16))


@pytest.mark.parametrize(
    ("values", "received"),
    [
        ({"frames": 0}, "frames.*0"),
        ({"fft": 512}, "fft.*512"),
        ({"high_hz": 9000.0}, r"high_hz.*9000\.0"),
        ({"low_hz": 8000.0}, r"low_hz.*8000\.0"),
        ({"low_hz": 0.0, "kind": "log"}, r"low_hz.*0\.0"),
        ({"kind": "bark"}, "kind.*bark"),
        ({"trim_db": -1.0}, r"trim_db.*-1\.0"),
    ],
)
def test_settings_are_checked(values, received):
    with pytest.raises(InputError, match=received):
        SpectrogramSpec(**values)
