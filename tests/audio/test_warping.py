import numpy as np
import pytest
import tensorflow as tf

from serkit.audio.spectrogram import SpectrogramSpec, band_centres, to_spectrogram
from serkit.audio.speed import play
from serkit.audio.warping import WarpSettings, warp
from serkit.errors import InputError

SPEC = SpectrogramSpec(frames=60, bins=80)
SEED = tf.constant([3, 4])
NOTHING = WarpSettings(0.0, 0.0, 0.0)


@pytest.fixture
def batch(rng):
    return rng.uniform(-1, 1, (4, 60, 80, 1)).astype("float32")


def _voices(rng, count=6):
    """A harmonic tone that glides, loud in the middle: it has a shape both ways."""
    time = np.arange(SPEC.samples) / SPEC.sample_rate
    middle = time[-1] / 2
    waves = []
    for _ in range(count):
        pitch = rng.uniform(150, 250) * (1 + 0.3 * np.sin(2 * np.pi * rng.uniform(1, 2) * time))
        phase = 2 * np.pi * np.cumsum(pitch) / SPEC.sample_rate
        wave = sum(np.sin(n * phase) / n for n in range(1, 15))
        waves.append(wave * np.exp(-(((time - middle) / 0.15) ** 2)))
    return tf.constant(np.stack(waves), tf.float32)


def test_nothing_happens_at_zero_strength(batch):
    np.testing.assert_allclose(warp(batch, SEED, NOTHING, SPEC), batch, atol=1e-4)


@pytest.mark.parametrize("kind", ["mel", "log", "linear"])
def test_a_band_of_sound_moves_to_the_scaled_frequency(kind):
    """By one factor per clip, whatever band it is in, on every scale."""
    spec = SpectrogramSpec(frames=4, bins=120, kind=kind)
    centres = band_centres(spec)
    factors = []
    for band in (60, 80):
        x = np.full((8, 4, 120, 1), -1.0, "float32")
        x[:, :, band - 1 : band + 2] = [[0.0], [1.0], [0.0]]
        out = warp(x, SEED, WarpSettings(0.0, 0.1, 0.0), spec).numpy()[:, 0, :, 0]
        weight = np.maximum(out + 1, 0) ** 2
        factors.append((weight * centres).sum(1) / weight.sum(1) / centres[band])
    assert np.abs(np.log(factors[0])).max() < 0.11
    assert np.ptp(factors[0]) > 0.05
    np.testing.assert_allclose(factors[0], factors[1], atol=0.01)


def test_it_is_near_to_what_another_speed_gives(rng):
    waves = _voices(rng)
    plain = to_spectrogram(waves, SPEC)
    factor = 1.15
    expected = to_spectrogram(play(waves, tf.fill([len(waves)], factor)), SPEC).numpy()
    # Draws at the end of the range: a range of no width around the factor.
    found = _exactly(plain, tempo=-np.log(factor), pitch=np.log(factor)).numpy()
    loud = expected > 0
    before = np.abs(plain.numpy() - expected)[loud].mean()
    assert np.abs(found - expected)[loud].mean() < 0.4 * before


def _exactly(spectrograms, tempo, pitch):
    """Warped by given amounts: the draws are replaced."""
    wanted = iter([0.0, tempo, pitch])
    real = tf.random.stateless_uniform
    try:
        tf.random.stateless_uniform = lambda shape, *_: tf.fill(shape, np.float32(next(wanted)))
        return warp(spectrograms, SEED, WarpSettings(), SPEC)
    finally:
        tf.random.stateless_uniform = real


def test_tempo_stretches_about_the_middle():
    x = np.full((16, 61, 80, 1), -1.0, "float32")
    x[:, 20:41] = 1.0
    spec = SpectrogramSpec(frames=61, bins=80)
    out = warp(x, SEED, WarpSettings(0.2, 0.0, 0.0), spec).numpy()[:, :, 40, 0]
    lengths = (out > 0).sum(axis=1)
    assert lengths.min() < 20 < 22 < lengths.max()
    assert 21 * 0.8 - 2 < lengths.min() < lengths.max() < 21 * 1.25 + 2
    np.testing.assert_allclose(out, out[:, ::-1], atol=1e-3)


def test_shifted_out_is_lost_and_silence_comes_in(batch):
    out = warp(np.abs(batch), SEED, WarpSettings(0.0, 0.0, 0.4), SPEC).numpy()[..., 0]
    silent = (out == -1).all(axis=2)
    assert silent.any(axis=1).all()
    assert (silent[:, 0] | silent[:, -1]).all()
    assert silent.sum(axis=1).max() <= 25


def test_same_seed_same_result_eagerly_and_in_map(batch):
    eager = warp(batch, SEED, WarpSettings(), SPEC)
    mapped = tf.data.Dataset.from_tensors(batch).map(lambda b: warp(b, SEED, WarpSettings(), SPEC))
    np.testing.assert_allclose(eager, next(iter(mapped)), atol=1e-5)
    assert not np.array_equal(eager, warp(batch, tf.constant([3, 5]), WarpSettings(), SPEC))
    assert np.abs(eager).max() <= 1


def test_settings_are_checked():
    with pytest.raises(InputError, match=r"tempo=1\.0"):
        WarpSettings(tempo=1.0)
    with pytest.raises(InputError, match="shift=-1"):
        WarpSettings(shift=-1)
