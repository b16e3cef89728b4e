import numpy as np
import pytest

from serkit.errors import InputError
from serkit.training.cache import decoding_table
from serkit.training.examples import Examples
from serkit.training.shards import Rows

PICTURES = np.zeros((3, 2, 2, 1), "float32")


def test_examples_need_speakers():
    assert len(Examples(PICTURES, frozenset("a"))) == 3
    with pytest.raises(InputError, match="`speakers`"):
        Examples(PICTURES, frozenset())


def test_there_are_as_many_labels_as_spectrograms():
    assert Examples(PICTURES, frozenset("a"), np.zeros(3, int)).labels.shape == (3,)
    with pytest.raises(InputError, match=r"`labels`.* 3 spectrograms.* 2"):
        Examples(PICTURES, frozenset("a"), np.zeros(2, int))


def test_in_memory_reads_rows():
    table = decoding_table("uint8")
    rows = Rows(list(np.array([[0], [255], [0]], "u1")), (1,), table)
    found = Examples(rows, frozenset("a"), np.arange(3)).in_memory()
    assert isinstance(found.spectrograms, np.ndarray)
    np.testing.assert_array_equal(found.spectrograms, [[-1], [1], [-1]])
    np.testing.assert_array_equal(found.labels, np.arange(3))


def test_joined_examples_have_all_speakers_and_rows_stay_on_disk():
    table = decoding_table("uint8")
    rows = Rows(list(np.array([[0], [255]], "u1")), (1,), table)
    first = Examples(rows, frozenset("a"), np.array([0, 1]))
    second = Examples(rows.select([1]), frozenset("b"), np.array([2]))
    both = Examples.joined([first, second])
    assert isinstance(both.spectrograms, Rows)
    np.testing.assert_array_equal(both.spectrograms[:], [[-1], [1], [1]])
    assert (both.speakers, both.labels.tolist()) == (frozenset("ab"), [0, 1, 2])
    mixed = Examples.joined([first, second.in_memory()])
    np.testing.assert_array_equal(mixed.spectrograms, both.spectrograms[:])
    with pytest.raises(InputError, match=r"`sets`.* 2 sets, 1 of them"):
        Examples.joined([first, Examples(rows, frozenset("a"))])
    with pytest.raises(InputError, match="0 sets"):
        Examples.joined([])
