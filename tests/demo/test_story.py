import pytest

from serkit.demo.story import _fit, _summary

PARTS = {"test": {"speakers": 4, "clips": 200}}


def _metrics(value, low, high):
    return {
        "generated": {"sad": 30},
        "parts": PARTS,
        "uar_difference": {"value": value, "low": low, "high": high},
    }


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.01, 0.04, "no effect shown"),
        (0.01, 0.04, "better on these test speakers"),
        (-0.04, -0.01, "worse on these test speakers"),
    ],
)
def test_the_verdict_is_what_the_interval_carries(low, high, verdict):
    text = _summary(_metrics((low + high) / 2, low, high))
    assert text.endswith(f": {verdict}.")
    assert f"{100 * low:+.1f} to {100 * high:+.1f}" in text
    assert "30 generated" in text


def test_without_rare_classes_nothing_is_claimed():
    assert "nothing to compare" in _summary({"generated": {}, "parts": PARTS})


@pytest.mark.parametrize("length", [5, 10, 11, 20])
def test_the_waveform_shown_is_the_part_the_spectrogram_has(length):
    """As serkit.audio.spectrogram.fit_length: the middle, or zeros around."""
    import numpy as np

    out = _fit(np.arange(1, 11, dtype=float), length)
    assert len(out) == length
    if length <= 10:
        assert out[0] == 1 + (10 - length) // 2
    else:
        assert out.sum() == 55
