import numpy as np
import pytest

from serkit.errors import InputError
from serkit.metrics.classification import drawn_speakers, tabulate


def _columns(rows):
    return [list(column) for column in zip(*rows, strict=True)]


# truth, predicted, seed, fold, speaker
ROWS = [
    (0, 0, 7, 1, "a"),
    (1, 0, 7, 1, "a"),
    (1, 1, 7, 2, "b"),
    (0, 1, 8, 1, "a"),
    (1, 1, 8, 1, "a"),
    (1, 1, 8, 2, "b"),
]


def test_predictions_are_counted_by_seed_fold_and_speaker():
    cells = tabulate(*_columns(ROWS), 2)
    assert cells.counts.shape == (2, 2, 2, 2)
    assert cells.folds.tolist() == cells.speakers.tolist() == [0, 1]
    np.testing.assert_array_equal(cells.counts[0, 0], [[1, 0], [1, 0]])
    np.testing.assert_array_equal(cells.counts[1, 0], [[0, 1], [0, 1]])
    np.testing.assert_array_equal(cells.counts[:, 1], [[[0, 0], [0, 1]]] * 2)
    np.testing.assert_array_equal(cells.pooled, [[1, 1], [1, 3]])
    assert cells.speaker_count == 2


def test_a_speaker_in_two_folds_has_two_cells():
    rows = [(0, 0, 0, 1, "a"), (0, 1, 0, 2, "a"), (1, 1, 0, 2, "b")]
    cells = tabulate(*_columns(rows), 2)
    assert cells.counts.shape == (1, 3, 2, 2)
    assert sorted(zip(cells.folds.tolist(), cells.speakers.tolist(), strict=True)) == [
        *((0, 0), (1, 0), (1, 1))
    ]
    assert cells.speaker_count == 2


def test_seeds_that_predicted_other_clips_are_refused():
    with pytest.raises(InputError, match="`seeds`"):
        tabulate(*_columns(ROWS[:-1]), 2)
    with pytest.raises(InputError, match="2, 1, 2, 2, 2"):
        tabulate([0, 1], [0], [0, 0], [1, 1], ["a", "b"], 2)
    with pytest.raises(InputError, match="as long as"):
        tabulate([], [], [], [], [], 2)


def test_speakers_are_drawn_with_the_predictions_of_all_seeds():
    cells = tabulate(*_columns(ROWS), 2)
    a, b = cells.counts.sum(axis=0)
    wanted = [2 * a, a + b, 2 * b]
    found = drawn_speakers(cells, 0, 200)
    kinds = [next(k for k, w in enumerate(wanted) if (w == one).all()) for one in found]
    shares = np.bincount(kinds, minlength=3) / 200
    np.testing.assert_allclose(shares, [0.25, 0.5, 0.25], atol=0.08)
    np.testing.assert_array_equal(found, drawn_speakers(cells, 0, 200))
    assert not np.array_equal(found, drawn_speakers(cells, 1, 200))
    with pytest.raises(InputError, match="draws=0"):
        drawn_speakers(cells, 0, 0)
