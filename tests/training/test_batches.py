import itertools

import numpy as np
import pytest
import tensorflow as tf

from serkit.errors import InputError
from serkit.training.batches import training_batches


def _take(count: int, steps: int, batch_size: int = 4, seed: int = 1, **options) -> np.ndarray:
    numbers = np.arange(count, dtype=np.float32)
    batches = training_batches((numbers,), batch_size, seed, **options)
    return np.stack([batch[0].numpy() for batch in itertools.islice(batches, steps)])


def test_every_example_comes_once_in_each_pass():
    drawn = _take(10, 10, batch_size=4).ravel()
    for start in range(0, 40, 10):
        assert sorted(drawn[start : start + 10]) == list(range(10))
    assert not np.array_equal(drawn[:10], drawn[10:20])


def test_batches_may_be_larger_than_the_data():
    assert sorted(_take(3, 1, batch_size=6)[0]) == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("first_step", [1, 2, 3, 7])
def test_a_resumed_run_gets_what_it_would_have_got(first_step):
    def noisy(batch, seed):
        return batch + tf.random.stateless_uniform(tf.shape(batch), seed)

    whole = _take(7, 10, augment=noisy)
    np.testing.assert_array_equal(
        _take(7, 10 - first_step, first_step=first_step, augment=noisy), whole[first_step:]
    )
    assert len(np.unique(whole - np.floor(whole))) > 10


def test_arrays_stay_together_and_seeds_matter():
    batches = training_batches((np.arange(9), np.arange(9) * 10), 3, seed=5)
    for first, second in itertools.islice(batches, 6):
        np.testing.assert_array_equal(first * 10, second)
    assert not np.array_equal(_take(50, 3, seed=1), _take(50, 3, seed=2))


@pytest.mark.parametrize("arrays", [(np.zeros(0),), (np.zeros(3), np.zeros(4))])
def test_empty_or_unequal_arrays_are_refused(arrays):
    with pytest.raises(InputError, match="length"):
        training_batches(arrays, 2, 0)
