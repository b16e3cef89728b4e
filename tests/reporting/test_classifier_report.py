import pandas as pd
import pytest

from serkit.reporting.tables import classifier_report, groups_of_clips, scores_of_folds

CLASSES = ("happy", "sad")


@pytest.fixture
def predictions():
    """Two seeds of two folds; seed 0 is right about all but one of four clips, seed 1 about two."""
    clips = pd.DataFrame(
        {
            "fold": [1, 1, 2, 2],
            "corpus": ["a", "a", "b", "b"],
            "speaker": ["p", "p", "q", "q"],
            "gender": ["male", "male", "female", "female"],
            "truth": ["happy", "sad", "happy", "sad"],
        }
    )
    calls = {0: ["happy", "sad", "happy", "happy"], 1: ["happy", "happy", "sad", "sad"]}
    return pd.concat([clips.assign(seed=seed, predicted=made) for seed, made in calls.items()])


def test_folds_by_hand(predictions):
    found = scores_of_folds(predictions, CLASSES)
    assert list(found.index) == [(0, 1), (0, 2), (1, 1), (1, 2)]
    assert list(found["uar"]) == [1.0, 0.5, 0.5, 0.5]
    assert list(found["macro_f1"]) == pytest.approx([1.0, 1 / 3, 1 / 3, 1 / 3])


def test_groups_by_hand(predictions):
    groups = {(g.attribute, g.value): g for g in groups_of_clips(predictions, CLASSES)}
    assert groups["all", ""].confusion == ((3, 1), (2, 2))
    assert groups["gender", "male"].measures.uar.value == 0.75
    assert groups["corpus", "b"].clips == 4
    one = groups_of_clips(predictions.assign(corpus="a"), CLASSES)
    assert {group.attribute for group in one} == {"all", "gender"}


def test_report_as_markdown(predictions):
    text = classifier_report(predictions, CLASSES)
    assert "| 0 | 75.0 | 75.0 | 66.7 |" in text
    # The seeds' means are 75 and 50.
    assert "| mean | 62.5 ± 17.7 |" in text
    assert "| all | 2 | 8 | 62.5 |" in text
    assert "| recall | happy | sad |" in text
    assert "| happy | 75 | 25 |" in text
    one = classifier_report(predictions[predictions["seed"] == 0], CLASSES)
    assert "| mean | 75.0 | 75.0 | 66.7 |" in one
