import numpy as np
import pytest

from serkit.errors import InputError
from serkit.training.shards import Rows

TABLE = (np.arange(256) / 127.5 - 1).astype(np.float32)


class _Counted:
    """Codes that count how often they are read."""

    reads = 0

    def __init__(self, codes: np.ndarray) -> None:
        self._codes = codes

    def __array__(self, dtype=None):
        _Counted.reads += 1
        return self._codes


@pytest.fixture
def codes(rng) -> np.ndarray:
    return rng.integers(0, 256, (7, 4, 3, 1), dtype=np.uint8)


@pytest.fixture
def rows(codes) -> Rows:
    return Rows(codes, (4, 3, 1), TABLE)


INDICES = {
    "first": 0,
    "last": -1,
    "NumPy's integer": np.int32(3),
    "slice": slice(2, 5),
    "backwards": slice(None, None, -2),
    "empty slice": slice(5, 5),
    "list with repeats": [5, 2, 2, -1],
    "empty list": [],
    "array": np.array([6, 0], np.uint8),
    "two axes of indices": np.array([[1, 2], [3, 3]]),
    "mask": np.arange(7) % 2 == 0,
}


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
def test_an_index_gives_what_numpy_gives(rows, codes, index):
    expected = TABLE[codes[index]]
    found = rows[index]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)
    if np.ndim(index) < 2:
        selected = rows.select(np.atleast_1d(np.arange(7)[index]))
        np.testing.assert_array_equal(
            np.asarray(selected), np.atleast_2d(expected).reshape(-1, 4, 3, 1)
        )


@pytest.mark.parametrize("index", [7, -8, [0, 7], 1.5, "a", (0, 1)])
def test_an_index_that_numpy_refuses_is_refused(rows, index):
    with pytest.raises(IndexError):
        rows[index]
    with pytest.raises(IndexError):
        rows.select(index)


def test_it_passes_for_an_array(rows, codes):
    expected = TABLE[codes]
    assert (len(rows), rows.shape, rows.ndim, rows.dtype) == (7, (7, 4, 3, 1), 4, np.float32)
    np.testing.assert_array_equal(np.asarray(rows), expected)
    np.testing.assert_array_equal(np.stack([rows[0], rows[3]]), expected[[0, 3]])
    np.testing.assert_array_equal(np.stack(rows), expected)
    np.testing.assert_array_equal(np.concatenate([rows, expected]), np.concatenate([expected] * 2))
    np.testing.assert_array_equal(list(rows), expected)
    assert np.asarray(rows, np.float64).dtype == np.float64
    with pytest.raises(ValueError, match="always a copy"):
        rows.__array__(copy=False)


def test_a_batch_is_the_callers_own(rows, codes):
    batch = rows[[1, 2]]
    batch[:] = 0
    np.testing.assert_array_equal(rows[[1, 2]], TABLE[codes[[1, 2]]])


def test_only_indexed_rows_are_read(codes):
    rows = Rows([_Counted(code) for code in codes], (4, 3, 1), TABLE)
    _Counted.reads = 0
    part = rows.select([4, 5, 6]).select(slice(1, None))
    assert part.shape == (2, 4, 3, 1)
    assert _Counted.reads == 0
    np.testing.assert_array_equal(part[[1, 0, 1]], TABLE[codes[[6, 5, 6]]])
    assert _Counted.reads == 3


def test_joined_rows_come_one_after_another_and_nothing_is_read(codes):
    counted = [_Counted(code) for code in codes]
    rows = Rows(counted, (4, 3, 1), TABLE)
    _Counted.reads = 0
    both = Rows.joined([rows.select([2, 0]), rows])
    assert both.shape == (9, 4, 3, 1)
    assert _Counted.reads == 0
    np.testing.assert_array_equal(both[:], TABLE[codes[[2, 0, *range(7)]]])
    with pytest.raises(InputError, match="2 sets of 2 kinds"):
        Rows.joined([rows, Rows(list(codes), (4, 3, 1), TABLE + 1)])
    with pytest.raises(InputError, match=r"`sets`.* 0 sets"):
        Rows.joined([])
