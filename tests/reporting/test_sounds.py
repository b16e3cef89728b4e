import io

import numpy as np
import pytest
import soundfile

from serkit.errors import InputError
from serkit.reporting.gan_figures import mp3


def test_mp3_keeps_the_sound(rng):
    seconds = np.arange(16_000) / 16_000
    tone = 0.5 * np.sin(2 * np.pi * 440 * seconds)
    data = mp3(tone, 16_000)
    assert len(data) < 12_000
    back, rate = soundfile.read(io.BytesIO(data))
    assert rate == 16_000
    spectrum = np.abs(np.fft.rfft(back[:16_000]))
    assert abs(spectrum.argmax() - 440) <= 1
    assert np.sqrt((back**2).mean()) == pytest.approx(np.sqrt((tone**2).mean()), rel=0.1)


def test_loud_samples_are_scaled_down():
    tone = 4 * np.sin(np.arange(16_000) / 10)
    back, _ = soundfile.read(io.BytesIO(mp3(tone, 16_000)))
    assert 0.8 < np.abs(back).max() < 1.2


def test_samples_that_cannot_be_encoded_are_refused():
    with pytest.raises(InputError, match=r"`samples`.*\(0,\)"):
        mp3(np.zeros(0), 16_000)
    with pytest.raises(InputError, match=r"`sample_rate`.*12345"):
        mp3(np.zeros(100), 12_345)
