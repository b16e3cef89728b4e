import numpy as np
import pytest
import soxr
import tensorflow as tf

from serkit.audio.resampling import _ratio, _resampler_to, resample

NEW = 16_000
RATES = [48_000, 44_100, 24_414, 22_050, 8_000, 16_001]
DOWN = [192_000, 96_000, 48_000, 44_100, 32_000, 24_414, 24_000, 22_050]
UP = [8_000, 11_025, 12_000]
EDGE = 1_000


def ours(wave, rate):
    return resample(tf.constant(wave.astype("float32")), tf.constant(rate), NEW).numpy()


def theirs(wave, rate):
    return soxr.resample(wave.astype("float32"), rate, NEW, "HQ")


def tone(frequency, rate, samples):
    return np.cos(2 * np.pi * frequency * np.arange(samples) / rate)


def decibels(ratio):
    return 20 * np.log10(np.maximum(ratio, 1e-9))


def gain_and_rest(resampler, rate, frequency):
    """In dB: a tone's gain, and the peak of what came out beside it, away from the ends."""
    out = resampler(tone(frequency, rate, rate), rate)[EDGE:-EDGE].astype("float64")
    angle = 2 * np.pi * frequency * np.arange(EDGE, EDGE + len(out)) / NEW
    waves = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    amplitudes = np.linalg.lstsq(waves, out, rcond=None)[0]
    rest = np.abs(out - waves @ amplitudes).max()
    return decibels(np.hypot(*amplitudes)), decibels(rest)


@pytest.mark.parametrize("rate", sorted({*RATES, *DOWN, *UP}))
def test_pass_band_is_flat_and_clean(rate, record_property):
    """A tone comes out as itself alone: no ripple, no alias, no image (mirrored at half a rate)."""
    steps = np.linspace(0.004, 0.45, 16) * min(rate, NEW)
    for name, resampler in (("soxr", theirs), ("ours", ours)):
        gains, rests = zip(*(gain_and_rest(resampler, rate, step) for step in steps), strict=True)
        ripple, rest = float(np.abs(gains).max()), float(max(rests))
        record_property(f"{name}: ripple dB, rest dB", (ripple, rest))
        assert ripple < 0.1
        assert rest < -80


@pytest.mark.parametrize("rate", DOWN)
def test_nothing_is_left_from_above_half_of_the_new_rate(rate, record_property):
    steps = np.append(NEW * np.array([0.5001, 0.505, 0.515]), np.linspace(0.53 * NEW, rate / 2, 24))
    for name, resampler in (("soxr", theirs), ("ours", ours)):
        left = [np.abs(resampler(tone(f, rate, rate), rate)[EDGE:-EDGE]).max() for f in steps]
        record_property(f"{name}: left dB", float(decibels(max(left))))
        assert decibels(max(left)) < -80


@pytest.mark.parametrize("rate", [48_000, 44_100, 8_000, 16_001])
def test_gain_falls_steadily_from_0_45_to_0_5(rate):
    steps = np.linspace(0.45, 0.499, 8) * min(rate, NEW)
    gains = np.array([gain_and_rest(ours, rate, step)[0] for step in steps])
    assert (np.diff(gains) < 0).all()
    assert gains[0] > -0.1
    assert gains[-1] < -50


@pytest.mark.parametrize("part", [0.0, 0.1, 0.3], ids=["constant", "low", "high"])
@pytest.mark.parametrize("rate", RATES)
def test_ends_ring_no_worse_than_soxr(rate, part):
    """A tone at full level from the first sample to the last: the highest overshoot, and the
    energy of all that rings from some samples (at the lower rate) after the ends on."""
    frequency = part * min(rate, NEW)
    expected = tone(frequency, NEW, NEW)
    wave = tone(frequency, rate, rate)
    errors = [np.abs(f(wave, rate)[:NEW] - expected) for f in (ours, theirs)]
    assert errors[0].max() <= 1.05 * errors[1].max()
    for distance in (0, 1, 2, 5, 10, 20, 40, 60):
        cut = distance * NEW // min(rate, NEW)
        mine, other = (np.linalg.norm(error[cut : NEW - cut]) for error in errors)
        assert mine <= 1.1 * other + 1e-5 * np.sqrt(NEW), distance


@pytest.mark.parametrize("rate", RATES)
def test_a_tone_stays_where_and_what_it_was(rate):
    """No delay, also in the last of many blocks."""
    out = ours(tone(1000, rate, 4 * rate), rate)
    assert len(out) == 64_000
    np.testing.assert_allclose(out[200:-200], tone(1000, NEW, 64_000)[200:-200], atol=2e-4)


@pytest.mark.parametrize("rate", RATES)
def test_agrees_with_soxr(rate, rng):
    """On noise within the pass-band of both, away from the ends."""
    spectrum = np.fft.rfft(rng.standard_normal(rate))
    spectrum[int(0.42 * min(rate, NEW)) :] = 0
    wave = np.fft.irfft(spectrum, rate)
    other = theirs(wave, rate)
    inner = slice(200, NEW - 200)
    assert np.abs(ours(wave, rate)[inner] - other[inner]).max() < 2e-4 * np.abs(other).max()


def test_no_rate_costs_long_transforms(rng):
    """A header of a few bytes may give any rate, such as a prime number."""
    rates = [999_983, 16_001, 55_999, 72_001, 159_998, *rng.integers(1_000, 1_000_001, 2_000)]
    for new_rate in (NEW, 22_050):
        ratio = tf.function(lambda rate, new=new_rate: _ratio(rate, new))
        for rate in rates:
            old, new = (block.numpy() for block in ratio(tf.constant(rate, tf.int32)))
            assert max(old, new) <= 50_000
            assert abs(old / new * new_rate / rate - 1) <= 1e-5


def test_prime_numbers_get_a_ratio_with_small_factors_and_rates_of_corpora_their_own():
    ratio = tf.function(lambda rate: _ratio(rate, NEW))
    for rate in (44_101, 999_983):
        for block in ratio(tf.constant(rate)):
            factors = [n for n in range(2, int(block) + 1) if block % n == 0]
            assert max(n for n in factors if all(n % m for m in range(2, n))) <= 31
    # TESS, and a CD.
    for rate, blocks in ((24_414, (12_207, 8_000)), (44_100, (441, 160))):
        assert tuple(map(int, ratio(tf.constant(rate)))) == blocks


@pytest.mark.parametrize("rate", [159_998, 999_983])
def test_a_long_recording_keeps_its_length_where_the_ratio_is_not_exact(rate):
    out = ours(np.ones(20 * rate), rate)
    assert out.shape == (20 * NEW,)
    np.testing.assert_allclose(out[200:-200], 1, atol=1e-3)


def test_equal_rates_change_nothing(rng):
    wave = rng.standard_normal(1234).astype("float32")
    np.testing.assert_array_equal(resample(tf.constant(wave), NEW, NEW), wave)


@pytest.mark.parametrize("rate", [*RATES, 192_000, 7, 1_000_003])
@pytest.mark.parametrize("samples", [0, 1, 10_007])
def test_any_rate_and_length(rate, samples):
    samples = min(samples, 10 * rate)
    out = ours(np.ones(samples), rate)
    assert out.shape == (-(-samples * NEW // rate),)
    assert np.isfinite(out).all()


@pytest.mark.parametrize("new_rate", [8_000, 22_050, 48_000])
def test_other_new_rates(new_rate):
    wave = tone(1000, 44_100, 44_100).astype("float32")
    out = resample(tf.constant(wave), 44_100, new_rate).numpy()
    expected = tone(1000, new_rate, new_rate)
    np.testing.assert_allclose(out[500:-500], expected[500:-500], atol=2e-4)


@pytest.mark.parametrize("rate", [1, 8_000, 44_100, 48_000])
def test_nothing_stays_nothing_even_where_it_comes_first(rate):
    """In a new graph as well, which then knows of no other length."""
    _resampler_to.cache_clear()
    assert resample(tf.zeros([0]), rate, NEW).shape == (0,)
    graph = tf.function(lambda: resample(tf.zeros([0]), tf.constant(rate), NEW))
    assert graph().shape == (0,)


class Resampler(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None]), tf.TensorSpec([], tf.int32)])
    def __call__(self, wave, rate):
        return resample(wave, rate, NEW)


def test_every_way_to_call_gives_the_same(rng, tmp_path):
    """Eager, one graph for all rates, a SavedModel, Dataset.map and map_fn, to the last bit."""
    rates = np.array([48_000, 44_100, 24_414, 8_000, 16_000, 16_001, 44_100], np.int32)
    waves = rng.standard_normal((len(rates), 60_011)).astype("float32")
    eager = [ours(wave, rate) for wave, rate in zip(waves, rates, strict=True)]

    module = Resampler()
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    both = tf.data.Dataset.from_tensor_slices((waves, rates))
    mapped = both.map(lambda wave, rate: resample(wave, rate, NEW), num_parallel_calls=2)
    together = tf.map_fn(
        lambda pair: resample(pair[0], pair[1], NEW)[:10_000],
        (waves, rates),
        fn_output_signature=tf.float32,
    )
    for index, from_map in enumerate(mapped):
        wave, rate = tf.constant(waves[index]), tf.constant(rates[index])
        np.testing.assert_array_equal(module(wave, rate), eager[index])
        np.testing.assert_array_equal(loaded(wave, rate), eager[index])
        np.testing.assert_array_equal(from_map, eager[index])
        np.testing.assert_array_equal(together[index], eager[index][:10_000])
