import pytest

from serkit.files import read_json
from serkit.studies.tuning.records import Outcome, Outcomes, TrialFailedError


def task(place, score=1.0) -> Outcome:
    assert len(place.name) == 16
    return Outcome(score, (0.5, 1.5), {"other": 2.0})


def test_what_came_of_settings_is_known(tmp_path):
    outcomes = Outcomes(tmp_path)
    assert not outcomes.has({"a": (1, 2)}, 1.0)
    outcomes.make({"a": (1, 2)}, 1.0, task)
    assert outcomes.has({"a": [1, 2]}, 1.0)
    assert Outcomes(tmp_path).known({"a": [1, 2]}, 1.0) == Outcome(1.0, (0.5, 1.5), {"other": 2})


@pytest.mark.parametrize(("settings", "share"), [({"a": 2}, 1.0), ({"a": 1}, 0.5), ({"b": 1}, 1.0)])
def test_other_settings_and_shares_are_others(tmp_path, settings, share):
    outcomes = Outcomes(tmp_path)
    outcomes.make({"a": 1}, 1.0, task)
    assert outcomes.known(settings, share) is None
    assert outcomes.place(settings, share) != outcomes.place({"a": 1}, 1.0)


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_what_is_no_number_is_a_failure_that_is_kept(tmp_path, score):
    outcomes = Outcomes(tmp_path)
    outcomes.make({"a": 1}, 1.0, lambda place: task(place, score))
    assert outcomes.has({"a": 1}, 1.0)
    assert "failed" in read_json(outcomes.place({"a": 1}, 1.0) / "outcome.json")
    with pytest.raises(TrialFailedError, match=f"score is {score}"):
        outcomes.known({"a": 1}, 1.0)


def test_any_other_error_is_no_outcome(tmp_path):
    outcomes = Outcomes(tmp_path)

    def full(place):
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        outcomes.make({"a": 1}, 1.0, full)
    assert not outcomes.has({"a": 1}, 1.0)
