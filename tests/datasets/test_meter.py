import hashlib

import numpy as np
import pytest

from serkit.datasets.findings import UnusableError
from serkit.datasets.probing import Meter


def _meter(samples: np.ndarray, rate: int = 8_000, **options) -> Meter:
    meter = Meter(rate, samples.shape[1], **options)
    meter.add(samples)
    return meter


def test_numbers_by_hand():
    samples = np.tile(np.array([[8192], [-16384]], np.int16), (4_000, 1))
    meter = _meter(samples)
    assert meter.peak == 0.5
    assert meter.rms == pytest.approx(np.sqrt((0.25**2 + 0.5**2) / 2))
    assert meter.window == 200
    assert meter.sha256() == hashlib.sha256(b"8000/1/" + samples.tobytes()).hexdigest()
    meter.require_sound()


def test_the_digest_of_wide_samples_is_of_floats():
    samples = np.full((800, 1), 1 / 3, np.float32)
    assert _meter(samples).sha256() == hashlib.sha256(b"8000/1/" + samples.tobytes()).hexdigest()


def test_runs_at_full_scale_are_counted_for_each_channel():
    samples = np.zeros((800, 2), np.float32)
    samples[10:13, 0] = 1.0
    samples[20:22, 1] = 1.0
    samples[30:34, 1] = -1.0
    assert _meter(samples).clipped == 7
    samples[:] = 0
    samples[10:13, 0] = 127 / 128
    assert (_meter(samples).clipped, _meter(samples, eight_bits=True).clipped) == (0, 3)


@pytest.mark.parametrize(("value", "kind"), [(np.nan, "not-finite"), (1e12, "unreadable")])
def test_values_that_are_no_samples(value, kind):
    with pytest.raises(UnusableError) as caught:
        _meter(np.full((800, 1), value, np.float32))
    assert caught.value.kind == kind


def test_no_sound_is_silence():
    with pytest.raises(UnusableError, match="silent: its loudest"):
        _meter(np.full((8_000, 1), 100, np.int16)).require_sound()
