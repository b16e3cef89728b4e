import json

import numpy as np
import pytest

from serkit.errors import InputError
from serkit.metrics.intervals import breakdown

TRUTH = np.array([0, 0, 1, 1, 0, 1])
PREDICTED = np.array([0, 1, 1, 1, 0, 0])
# Too few for intervals.
SPEAKERS = ["a", "a", "b", "b", "c", "c"]
GENDER = ["male", "male", "female", "female", "male", "male"]


@pytest.fixture
def groups():
    attributes = {"gender": GENDER, "corpus": ["x"] * 6}
    return breakdown(TRUTH, PREDICTED, SPEAKERS, 2, attributes, seed=0)


def test_all_clips_then_each_value_of_each_attribute(groups):
    found = [(g.attribute, g.value, g.clips, g.speakers) for g in groups]
    assert found == [
        ("all", "", 6, 3),
        ("gender", "female", 2, 1),
        ("gender", "male", 4, 2),
        ("corpus", "x", 6, 3),
    ]
    assert groups[3].measures == groups[0].measures


def test_by_hand(groups):
    whole, female, male, _ = groups
    assert whole.confusion == ((2, 1), (1, 2))
    assert whole.measures.uar.value == pytest.approx(2 / 3)
    assert female.measures.recalls[0] is None
    assert female.measures.uar.value == 1
    assert female.measures.uar.low is None
    assert male.measures.accuracy.value == 0.5
    assert male.measures.recalls[1].value == 0


def test_it_is_json(groups):
    found = json.loads(json.dumps([group.to_json() for group in groups], allow_nan=False))
    assert found[1]["measures"]["uar"] == {"value": 1.0, "low": None, "high": None}


def test_lengths_are_checked():
    with pytest.raises(InputError, match=r"`gender`.* 6 predictions.* 5"):
        breakdown(TRUTH, PREDICTED, SPEAKERS, 2, {"gender": GENDER[:5]}, seed=0)
    with pytest.raises(InputError, match=r"`predicted`.* 6 predictions.* 5"):
        breakdown(TRUTH, PREDICTED[:5], SPEAKERS, 2, {}, seed=0)
    with pytest.raises(InputError, match=r"`speakers`.* 6 predictions.* 7"):
        breakdown(TRUTH, PREDICTED, [*SPEAKERS, "d"], 2, {}, seed=0)
    with pytest.raises(InputError, match=r"`truth`.* 0"):
        breakdown([], [], [], 2, {}, seed=0)


def test_clips_of_unknown_gender_are_a_group():
    genders = ["", "", *GENDER[2:]]
    groups = breakdown(TRUTH, PREDICTED, SPEAKERS, 2, {"gender": genders}, seed=0)
    assert [g.value for g in groups] == ["", "", "female", "male"]
