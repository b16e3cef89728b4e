import numpy as np
import pytest

from serkit.caching.coding import decoding_table
from serkit.caching.rows import Rows
from serkit.errors import InputError
from serkit.training.examples import Examples

PICTURES = np.zeros((3, 2, 2, 1), "float32")


def test_somebodys_voice_must_be_in_them():
    assert len(Examples(PICTURES, frozenset("a"))) == 3
    with pytest.raises(InputError, match="speakers is empty"):
        Examples(PICTURES, frozenset())


def test_there_are_as_many_labels_as_spectrograms():
    assert Examples(PICTURES, frozenset("a"), np.zeros(3, int)).labels.shape == (3,)
    with pytest.raises(InputError, match="2 labels for 3 spectrograms"):
        Examples(PICTURES, frozenset("a"), np.zeros(2, int))


def test_in_memory_reads_rows():
    table = decoding_table("uint8")
    rows = Rows(list(np.array([[0], [255], [0]], "u1")), (1,), table)
    found = Examples(rows, frozenset("a"), np.arange(3)).in_memory()
    assert isinstance(found.spectrograms, np.ndarray)
    np.testing.assert_array_equal(found.spectrograms, [[-1], [1], [-1]])
    np.testing.assert_array_equal(found.labels, np.arange(3))
