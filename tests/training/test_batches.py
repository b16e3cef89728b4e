import itertools

import numpy as np
import pytest
import tensorflow as tf

from serkit.errors import InputError
from serkit.training.batches import batches_in_order, training_batches
from serkit.training.cache import decoding_table, encode
from serkit.training.shards import Rows


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
def test_a_resumed_run_gets_the_same_batches(first_step):
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


class _OnDisk(Rows):
    """Rows that tell what is read of them."""

    def __init__(self, values: np.ndarray) -> None:
        codes = encode(values, values.shape[1:], "wide-float16").view("<u2")
        super().__init__(codes, values.shape[1:], decoding_table("wide-float16"))
        self.read: list[int] = []

    def __getitem__(self, index):
        found = super().__getitem__(index)
        self.read.append(len(found))
        return found

    def __array__(self, dtype=None, copy=None):
        raise AssertionError("all of it is read at once")


@pytest.mark.parametrize("first_step", [0, 3])
def test_rows_on_disk_give_the_same_batches_and_are_read_a_batch_at_a_time(first_step):
    values = np.arange(44, dtype=np.float32).reshape(11, 2, 2)
    rows, labels = _OnDisk(values), np.arange(11)
    found = training_batches((rows, labels), 4, 1, first_step=first_step)
    expected = training_batches((values, labels), 4, 1, first_step=first_step)
    for ours, theirs in zip(found.take(6), expected.take(6), strict=True):
        np.testing.assert_array_equal(ours[0], theirs[0])
        np.testing.assert_array_equal(ours[1], theirs[1])
    assert found.element_spec[0].shape == (4, 2, 2)
    assert set(rows.read) == {4}


@pytest.mark.parametrize("kind", [np.asarray, _OnDisk])
def test_in_order_everything_comes_once(kind):
    values = np.arange(20, dtype=np.float32).reshape(10, 2)
    batches = list(batches_in_order((kind(values), np.arange(10)), 4))
    assert [len(labels) for _, labels in batches] == [4, 4, 2]
    np.testing.assert_array_equal(np.concatenate([x for x, _ in batches]), values)
    np.testing.assert_array_equal(np.concatenate([y for _, y in batches]), np.arange(10))
