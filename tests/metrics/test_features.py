import numpy as np
import pytest

from serkit.errors import InputError
from serkit.metrics.neighbours import block_means, validated_features


def test_features_become_float64():
    (found,) = validated_features(1, real=np.ones((2, 3), np.float16))
    assert found.dtype == np.float64


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ({"real": np.ones(5)}, r"`real`.*\(5,\)"),
        ({"real": np.ones((1, 5))}, r"`real`.* 2 or more.*\(1, 5\)"),
        ({"real": np.ones((5, 0))}, r"`real`.*\(5, 0\)"),
        ({"a": np.ones((3, 2)), "b": np.array([[0, 1], [np.nan, 1], [2, np.inf]])}, "`b`.* 2 samp"),
        ({"a": np.ones((3, 2)), "b": np.ones((3, 4))}, "2 in a, 4 in b"),
    ],
)
def test_features_that_cannot_be_compared_are_refused(sets, message):
    with pytest.raises(InputError, match=message):
        validated_features(2, **sets)


def test_block_means_by_hand():
    picture = np.arange(17 * 16, dtype=float).reshape(1, 17, 16, 1)
    found = block_means(picture)
    # Rows of 16: the mean of 8 rows and 8 columns lies at row 3.5 and column 3.5 of the block.
    expected = [16 * (3.5 + r) + 3.5 + c for r in (0, 8) for c in (0, 8)]
    np.testing.assert_allclose(found, [expected])
