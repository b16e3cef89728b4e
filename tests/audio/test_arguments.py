import argparse

import pytest

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.cli.arguments import add_spectrograms, spec_of
from serkit.errors import InputError


def _spec(*given, base=None):
    parser = argparse.ArgumentParser()
    add_spectrograms(parser)
    return spec_of(parser.parse_args(given), base)


def test_without_options_it_is_the_default():
    assert _spec() == SpectrogramSpec()


def test_kind_and_rate():
    assert _spec("--kind", "linear") == SpectrogramSpec(kind="linear")
    assert _spec("--kind", "log", "--sample-rate", "22050") == SpectrogramSpec(
        sample_rate=22_050, window=1411, hop=353, fft=2880, high_hz=11_025.0, kind="log"
    )


def test_kind_and_rate_of_spectrograms_of_ones_own():
    own = SpectrogramSpec(frames=160, bins=80, window=512, trim_db=30.0)
    assert _spec(base=own) == own
    assert _spec("--kind", "log", "--sample-rate", "32000", base=own) == SpectrogramSpec(
        sample_rate=32_000,
        frames=160,
        bins=80,
        window=1024,
        hop=512,
        fft=4096,
        high_hz=16_000.0,
        kind="log",
        trim_db=30.0,
    )


@pytest.mark.parametrize("rate", ["0", "-16000", "500", "1000000"])
def test_rates_that_cannot_be_are_refused(rate):
    with pytest.raises(InputError, match="sample_rate"):
        _spec("--sample-rate", rate)
