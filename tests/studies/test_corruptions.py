import io

import numpy as np
import pytest
import soundfile

from serkit.errors import InputError, RecordingError
from serkit.studies.corruptions import CORRUPTIONS, corrupt, parse_corruptions


def _read(content: bytes):
    return soundfile.read(io.BytesIO(content), dtype="float64")


@pytest.fixture
def speechlike(rng, wav_bytes):
    tone = np.sin(2 * np.pi * 1000 * np.arange(22_050) / 22_050)
    return wav_bytes(0.1 * tone * (1 + 0.5 * rng.uniform(size=tone.size)), 22_050)


def test_noise_has_the_given_ratio(speechlike):
    clean, rate = _read(speechlike)
    noisy, noisy_rate = _read(corrupt(speechlike, (("noise", 10.0),), seed=0))
    assert rate == noisy_rate
    ratio = np.mean(clean**2) / np.mean((noisy - clean) ** 2)
    assert 10 * np.log10(ratio) == pytest.approx(10, abs=0.2)


def test_a_telephone_keeps_the_middle_of_the_spectrum(wav_bytes):
    rate, times = 44_100, np.arange(44_100) / 44_100
    tones = {hertz: 0.1 * np.sin(2 * np.pi * hertz * times) for hertz in (60, 1000, 6000)}
    heard = {
        hertz: _read(corrupt(wav_bytes(tone, rate), (("telephone", 0.0),), seed=0))[0]
        for hertz, tone in tones.items()
    }
    level = {hertz: np.std(wave) / np.std(tones[hertz]) for hertz, wave in heard.items()}
    assert level[1000] == pytest.approx(1, abs=0.1)
    assert max(level[60], level[6000]) < 0.1
    assert {len(wave) for wave in heard.values()} == {rate}


def test_reverberation_falls_by_60_db(wav_bytes):
    click = np.zeros(32_000)
    click[100] = 0.5
    heard, _ = _read(corrupt(wav_bytes(click, 16_000), (("reverb", 0.5),), seed=0))
    tail = heard[101:8101]
    level = [np.mean(tail[start : start + 400] ** 2) for start in (0, 4000)]
    # A quarter of a second later it is 30 dB quieter.
    assert 10 * np.log10(level[0] / level[1]) == pytest.approx(30, abs=3)
    # Rounding errors of the FFT remain.
    assert np.abs(heard[9000:]).max() < 1e-12
    assert np.sum(tail**2) == pytest.approx(0.25, rel=0.02)


def test_corruptions_are_applied_in_order_and_repeatable(speechlike):
    chain = (("noise", 0.0), ("reverb", 0.1))
    assert corrupt(speechlike, chain, seed=1) == corrupt(speechlike, chain, seed=1)
    assert corrupt(speechlike, chain, seed=1) != corrupt(speechlike, chain, seed=2)
    assert corrupt(speechlike, chain, seed=1) != corrupt(speechlike, chain[::-1], seed=1)


def test_a_damaged_recording_is_an_error():
    with pytest.raises(RecordingError):
        corrupt(b"RIFF", (("gain", 1.0),), seed=0)


def test_defaults_are_those_of_the_table():
    found = parse_corruptions(",".join(CORRUPTIONS))
    assert found == tuple((name, default) for name, (_, default, _, _) in CORRUPTIONS.items())
    assert parse_corruptions("") == ()


@pytest.mark.parametrize("text", ["echo", "noise=", "noise=x", "noise=100", "reverb=nan"])
def test_invalid_corruptions_are_named(text):
    if text == "noise=":
        assert parse_corruptions(text) == (("noise", 10.0),)
        return
    with pytest.raises(InputError, match=r"`corrupt` .*noise=-20 to 60, telephone, reverb=0"):
        parse_corruptions(text)
