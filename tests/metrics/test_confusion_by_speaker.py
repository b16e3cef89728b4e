import numpy as np
import pytest

from serkit.errors import InputError
from serkit.metrics.bootstrap import bootstrap_confusion_matrices
from serkit.metrics.classification import confusion_by_speaker


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
    confusion = confusion_by_speaker(*_columns(ROWS), 2)
    assert confusion.counts.shape == (2, 2, 2, 2)
    assert confusion.fold_index.tolist() == confusion.speaker_index.tolist() == [0, 1]
    np.testing.assert_array_equal(confusion.counts[0, 0], [[1, 0], [1, 0]])
    np.testing.assert_array_equal(confusion.counts[1, 0], [[0, 1], [0, 1]])
    np.testing.assert_array_equal(confusion.counts[:, 1], [[[0, 0], [0, 1]]] * 2)
    np.testing.assert_array_equal(confusion.pooled, [[1, 1], [1, 3]])
    assert confusion.speaker_count == 2


def test_a_speaker_in_two_folds_has_two_matrices():
    rows = [(0, 0, 0, 1, "a"), (0, 1, 0, 2, "a"), (1, 1, 0, 2, "b")]
    confusion = confusion_by_speaker(*_columns(rows), 2)
    assert confusion.counts.shape == (1, 3, 2, 2)
    assert sorted(
        zip(confusion.fold_index.tolist(), confusion.speaker_index.tolist(), strict=True)
    ) == [*((0, 0), (1, 0), (1, 1))]
    assert confusion.speaker_count == 2


def test_seeds_that_predicted_other_clips_are_refused():
    message = "for fold 2, speaker b and class 1, 1 with seed 7 and 0 with seed 8"
    with pytest.raises(InputError, match=message):
        confusion_by_speaker(*_columns(ROWS[:-1]), 2)
    with pytest.raises(InputError, match="2, 1, 2, 2, 2"):
        confusion_by_speaker([0, 1], [0], [0, 0], [1, 1], ["a", "b"], 2)
    with pytest.raises(InputError, match="same length"):
        confusion_by_speaker([], [], [], [], [], 2)


def test_speakers_are_drawn_with_the_predictions_of_all_seeds():
    confusion = confusion_by_speaker(*_columns(ROWS), 2)
    a, b = confusion.counts.sum(axis=0)
    wanted = [2 * a, a + b, 2 * b]
    found = bootstrap_confusion_matrices(confusion, 0, 200)
    kinds = [next(k for k, w in enumerate(wanted) if (w == one).all()) for one in found]
    shares = np.bincount(kinds, minlength=3) / 200
    np.testing.assert_allclose(shares, [0.25, 0.5, 0.25], atol=0.08)
    np.testing.assert_array_equal(found, bootstrap_confusion_matrices(confusion, 0, 200))
    assert not np.array_equal(found, bootstrap_confusion_matrices(confusion, 1, 200))
    with pytest.raises(InputError, match="n_resamples=0"):
        bootstrap_confusion_matrices(confusion, 0, 0)
