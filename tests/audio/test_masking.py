import numpy as np
import pytest
import tensorflow as tf

from serkit.audio.spec_augment import MaskSettings, mask
from serkit.errors import InputError


@pytest.fixture
def batch(rng):
    return rng.uniform(0, 1, (4, 40, 30, 1)).astype("float32")


def test_nothing_happens_at_zero_strength(batch):
    out = mask(batch, tf.constant([1, 2]), MaskSettings(0.0, 0.0, 0.0))
    np.testing.assert_array_equal(out, batch)


def test_masks_are_whole_rows_and_columns_of_silence(batch):
    out = mask(batch, tf.constant([1, 2]), MaskSettings(0.5, 0.5, 0.0)).numpy()[..., 0]
    hidden = out == -1
    for before, after, gone in zip(batch[..., 0], out, hidden, strict=True):
        np.testing.assert_array_equal(after[~gone], before[~gone])
        frames, bins = gone.all(axis=1), gone.all(axis=0)
        np.testing.assert_array_equal(gone, frames[:, None] | bins[None, :])
        assert frames.sum() <= 21
        assert bins.sum() <= 16
        for line in (frames, bins):
            assert np.abs(np.diff(np.flatnonzero(line))).max(initial=1) == 1
    assert hidden.any()
    assert not hidden.all()


def test_shift_moves_along_time_alone(batch):
    out = mask(batch, tf.constant([3, 4]), MaskSettings(0.0, 0.0, 0.3)).numpy()
    shifts = []
    for before, after in zip(batch, out, strict=True):
        matches = [s for s in range(-12, 13) if np.array_equal(np.roll(before, -s, axis=0), after)]
        assert len(matches) == 1
        shifts += matches
    assert len(set(shifts)) > 1


def test_same_seed_same_result_eagerly_and_in_map(batch):
    settings = MaskSettings()
    eager = mask(batch, tf.constant([5, 6]), settings)
    mapped = tf.data.Dataset.from_tensors(batch).map(
        lambda b: mask(b, tf.constant([5, 6]), settings)
    )
    np.testing.assert_array_equal(eager, next(iter(mapped)))
    other = mask(batch, tf.constant([5, 7]), settings)
    assert not np.array_equal(eager, other)


def test_settings_are_checked():
    with pytest.raises(InputError, match=r"time.*1\.5"):
        MaskSettings(time=1.5)
