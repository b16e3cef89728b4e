import librosa
import numpy as np
import pytest
import soundfile
import tensorflow as tf

from serkit.audio.inversion import (
    fft_power_from_bands,
    griffin_lim,
    inverse_stft,
    spectral_convergence,
)
from serkit.audio.loading import fit_length
from serkit.audio.spectrogram import SpectrogramSpec, band_weights, to_spectrogram
from serkit.errors import InputError

SPEC = SpectrogramSpec()
# A second of half the resolution, for what does not depend on the size.
SMALL = SpectrogramSpec(frames=60, bins=64, window=512, hop=128, fft=1024)


def _voice(rng, spec=SMALL, count=3, pitch=150.0) -> np.ndarray:
    """Gliding harmonics under an envelope, each clip in another octave, on a little noise."""
    time = np.arange(spec.samples) / spec.sample_rate
    clips = []
    for number in range(count):
        phase = 2 * np.pi * pitch * 2**number * (time + 0.2 * time**2)
        tones = sum(np.sin(k * phase) / k for k in range(1, 6))
        clips.append(tones * np.hanning(spec.samples) + rng.normal(0, 1e-3, spec.samples))
    return np.array(clips, "float32") * 0.2


def _distance(wanted: np.ndarray, got: np.ndarray) -> float:
    """Of amplitudes, from powers, as a share of the wanted ones."""
    return np.linalg.norm(np.sqrt(wanted) - np.sqrt(got)) / np.linalg.norm(np.sqrt(wanted))


def _correlations(one: tf.Tensor, other: tf.Tensor) -> list[float]:
    pairs = zip(np.asarray(one), np.asarray(other), strict=True)
    return [np.corrcoef(first.ravel(), second.ravel())[0, 1] for first, second in pairs]


@pytest.mark.parametrize(
    "spec",
    [
        *(SPEC, SMALL, SpectrogramSpec(fft=1024, window=1024, bins=80)),
        SpectrogramSpec.at_rate(22_050, "log"),
    ],
)
def test_inverse_stft_undoes_stft(rng, spec):
    waves = rng.standard_normal((2, spec.samples)).astype("float32")
    back = inverse_stft(tf.signal.stft(waves, spec.window, spec.hop, spec.fft), spec).numpy()
    # sin(pi n / window) ** 4 reaches a hundredth of the sum of 1.5 at n = 0.114 windows.
    ends = int(0.115 * spec.window) + 1
    np.testing.assert_allclose(back[:, ends:-ends], waves[:, ends:-ends], atol=1e-5)
    assert (np.abs(back) <= np.abs(waves) + 1e-5).all()
    assert back[0, 0] == 0


def test_inverse_stft_is_the_least_squares_one(rng):
    """Of all waveforms the one whose STFT is nearest to something that is none."""
    spec = SpectrogramSpec(frames=3, bins=1, window=8, hop=2, fft=16, low_hz=0.0)
    parts = rng.standard_normal((2, 3, 9))
    parts[1, :, [0, -1]] = 0
    wanted = (parts[0] + 1j * parts[1]).astype("complex64")
    units = np.eye(spec.samples, dtype="float32")
    columns = tf.signal.stft(units, spec.window, spec.hop, spec.fft).numpy()
    # The bins between 0 Hz and the highest stand for two of the full spectrum.
    twice = np.sqrt(np.array([1, *[2] * 7, 1]))

    def flat(transform):
        scaled = (transform * twice).reshape(*transform.shape[:-2], -1)
        return np.concatenate([scaled.real, scaled.imag], axis=-1)

    expected = np.linalg.lstsq(flat(columns).T, flat(wanted), rcond=None)[0]
    got = inverse_stft(wanted[np.newaxis], spec).numpy()[0]
    np.testing.assert_allclose(got[2:-1], expected[2:-1], atol=1e-4)


@pytest.mark.parametrize("kind", ["mel", "log", "linear"])
def test_fft_power_holds_the_power_of_the_bands(rng, kind):
    spec = SpectrogramSpec(kind=kind)
    weights = band_weights(spec)
    power = np.abs(tf.signal.stft(_voice(rng, spec, 1)[0], spec.window, spec.hop, spec.fft)) ** 2
    got = fft_power_from_bands(tf.constant(power @ weights), spec).numpy()
    assert got.min() >= 0
    assert (got[:, weights.max(axis=1) == 0] == 0).all()
    assert _distance(power @ weights, got @ weights) < 0.03
    clipped = np.maximum(power @ weights @ np.linalg.pinv(weights), 0)
    assert _distance(power, got) < _distance(power, clipped)


@pytest.mark.parametrize("hertz", [200.0, 1000.0, 5000.0])
def test_a_tone_comes_back_at_its_frequency(hertz):
    wave = np.sin(2 * np.pi * hertz * np.arange(SPEC.samples) / SPEC.sample_rate)
    made = griffin_lim(to_spectrogram(wave[np.newaxis].astype("float32"), SPEC), SPEC, iterations=8)
    spectrum = np.abs(np.fft.rfft(made.numpy()[0]))
    peak = spectrum.argmax() * SPEC.sample_rate / SPEC.samples
    # Half the width of the band that it lies in: more is not in the spectrogram.
    assert peak == pytest.approx(hertz, abs=4 + 0.007 * hertz)


def test_the_way_there_and_back_and_there_is_nearly_the_same(rng):
    wanted = to_spectrogram(_voice(rng), SMALL)
    made = griffin_lim(wanted, SMALL)
    assert min(_correlations(wanted, to_spectrogram(made, SMALL))) > 0.97
    convergence = spectral_convergence(wanted, made, SMALL).numpy()
    assert convergence.max() < 0.1
    few = griffin_lim(wanted, SMALL, iterations=1)
    assert (convergence < spectral_convergence(wanted, few, SMALL).numpy()).all()
    # A clip is nearer to its own spectrogram than to another one's.
    turned = spectral_convergence(wanted, tf.roll(made, 1, axis=0), SMALL).numpy()
    assert (3 * convergence < turned).all()


def test_a_clip_in_a_batch_is_the_same_as_alone_and_in_a_graph(rng):
    wanted = to_spectrogram(_voice(rng), SMALL)
    together = griffin_lim(wanted, SMALL, iterations=3).numpy()
    for number in range(3):
        alone = griffin_lim(wanted[number : number + 1], SMALL, iterations=3)
        np.testing.assert_array_equal(together[number], alone[0])
    shape = tf.TensorSpec([None, *SMALL.shape])
    graph = tf.function(lambda given: griffin_lim(given, SMALL, iterations=3), [shape])
    np.testing.assert_array_equal(together, graph(wanted))
    assert graph(wanted[:0]).shape == (0, SMALL.samples)


def test_the_seed_decides(rng):
    wanted = to_spectrogram(_voice(rng, count=1), SMALL)
    one, same, other = (
        griffin_lim(wanted, SMALL, iterations=2, seed=seed).numpy() for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0.01


def test_peaks_are_a_half_whatever_the_level_and_silence_is_silence(rng):
    waves = _voice(rng)
    waves[1] *= 1e-3
    wanted = to_spectrogram(waves, SMALL).numpy()
    wanted[2] = rng.uniform(-1, -0.995, wanted[2].shape)
    made = griffin_lim(wanted, SMALL, iterations=2).numpy()
    np.testing.assert_allclose(np.abs(made).max(axis=1), [0.5, 0.5, 0.0], rtol=1e-6)
    assert not np.isnan(made).any()


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float64])
def test_other_floats_are_cast(rng, dtype):
    given = tf.cast(to_spectrogram(_voice(rng, count=1), SMALL), dtype)
    made = griffin_lim(given, SMALL, iterations=2)
    assert made.dtype == tf.float32
    cast = tf.cast(given, tf.float32)
    np.testing.assert_array_equal(made, griffin_lim(cast, SMALL, iterations=2))
    assert spectral_convergence(given, made, SMALL) == spectral_convergence(cast, made, SMALL)


def test_spectral_convergence_by_hand(rng):
    wave = _voice(rng)
    bands = [
        np.sqrt(np.abs(tf.signal.stft(one, 512, 128, 1024)) ** 2 @ band_weights(SMALL))
        for one in wave[:2]
    ]
    gain = (bands[0] * bands[1]).sum() / (bands[1] ** 2).sum()
    expected = np.linalg.norm(bands[0] - gain * bands[1]) / np.linalg.norm(bands[0])
    wanted = to_spectrogram(wave, SMALL)
    got = spectral_convergence(wanted[:1], 7 * wave[1:2], SMALL)
    assert got.numpy() == pytest.approx([expected], rel=1e-3)
    assert spectral_convergence(wanted, wave, SMALL).numpy() == pytest.approx(0, abs=1e-3)


def test_spectral_convergence_of_silence(rng):
    sound, silence = _voice(rng, count=1), np.zeros((1, SMALL.samples), "float32")
    both = to_spectrogram(np.concatenate([sound, silence]), SMALL)
    assert spectral_convergence(both, np.repeat(silence, 2, 0), SMALL).numpy().tolist() == [1, 0]
    assert spectral_convergence(both[1:], sound, SMALL).numpy().tolist() == [1]


def test_what_does_not_fit_is_refused(rng):
    with pytest.raises(InputError, match=r"224, 224, 1\).*\(1, 60, 64, 1\)"):
        griffin_lim(tf.zeros([1, *SMALL.shape]), SPEC)
    with pytest.raises(InputError, match=r"spectrograms.*Received: \(60, 64, 1\)"):
        spectral_convergence(tf.zeros(SMALL.shape), tf.zeros([1, SMALL.samples]), SMALL)
    with pytest.raises(InputError, match=rf"waveforms.*batch, {SMALL.samples}\).*\(1, 99\)"):
        spectral_convergence(tf.zeros([1, *SMALL.shape]), tf.zeros([1, 99]), SMALL)
    with pytest.raises(InputError, match=r"iterations.*0"):
        griffin_lim(tf.zeros([1, *SMALL.shape]), SMALL, iterations=0)


def _by_librosa(spectrogram: np.ndarray, iterations: int) -> np.ndarray:
    """Librosa's way back on the same frames, whose window has the FFT's zeros behind it."""
    power = librosa.db_to_power((spectrogram[..., 0].T - 1) * SPEC.range_db / 2)
    bank = {"fmin": SPEC.low_hz, "fmax": SPEC.high_hz, "htk": True, "norm": None}
    linear = librosa.feature.inverse.mel_to_stft(power, sr=SPEC.sample_rate, n_fft=SPEC.fft, **bank)
    window = np.pad(np.hanning(SPEC.window + 1)[:-1], (0, SPEC.fft - SPEC.window))
    wave = librosa.griffinlim(
        linear, n_iter=iterations, hop_length=SPEC.hop, window=window, center=False, random_state=0
    )
    return wave[: SPEC.samples].astype("float32")


@pytest.mark.recordings
def test_real_recordings_come_back_no_worse_than_by_librosa(recordings):
    files = sorted(recordings.rglob("*.wav"))[100::800]
    sounds = [soundfile.read(file, dtype="float32")[0] for file in files]
    wanted = to_spectrogram(tf.stack([fit_length(tf.constant(one), SPEC) for one in sounds]), SPEC)
    ours = griffin_lim(wanted, SPEC, iterations=16)
    theirs = np.array([_by_librosa(one, 16) for one in wanted.numpy()])
    assert min(_correlations(wanted, to_spectrogram(ours, SPEC))) > 0.99
    mine, other = (np.mean(spectral_convergence(wanted, made, SPEC)) for made in (ours, theirs))
    # Other random phases alone change it by a tenth and more on so few clips.
    assert mine < 1.15 * other
