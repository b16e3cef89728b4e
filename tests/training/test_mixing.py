import numpy as np
import tensorflow as tf

from serkit.training.batches import mix_batches, training_batches

PICTURES = np.arange(40, dtype="float32").reshape(40, 1, 1, 1)
LABELS = np.arange(40) % 4


def _batches(first_step=0, seed=3, count=4):
    plain = training_batches((PICTURES, LABELS), 8, 0, first_step=first_step)
    return list(mix_batches(plain, 4, 0.3, seed, first_step).take(count))


def test_examples_and_labels_are_mixed_in_the_same_proportion():
    for pictures, shares in _batches():
        assert shares.shape == (8, 4)
        np.testing.assert_allclose(tf.reduce_sum(shares, axis=1), 1, atol=1e-6)
        assert ((shares > 0) & (shares < 1)).numpy().any()
        # A picture is the mean of two numbers that have these labels, modulo 4.
        for picture, share in zip(pictures.numpy().ravel(), shares.numpy(), strict=True):
            present = np.flatnonzero(share > 1e-6)
            if len(present) == 1:
                continue
            pairs = [
                (a, b)
                for a in PICTURES.ravel()
                for b in PICTURES.ravel()
                if (a % 4, b % 4) == tuple(present)
            ]
            mixes = [share[present[0]] * a + share[present[1]] * b for a, b in pairs]
            assert np.abs(np.array(mixes) - picture).min() < 1e-3


def test_a_resumed_training_run_mixes_as_an_uninterrupted_one():
    whole, rest = _batches(), _batches(first_step=2, count=2)
    for one, two in zip(whole[2:], rest, strict=True):
        for left, right in zip(one, two, strict=True):
            np.testing.assert_array_equal(left, right)
    other = _batches(seed=4)
    assert not np.array_equal(whole[0][1], other[0][1])
    assert not np.array_equal(whole[0][1] > 0, whole[1][1] > 0)
