import pytest

from serkit.datasets.imbalance import balance_plan, explain_no_rare_class, report_plan
from serkit.errors import InputError

COUNTS = {"a": 100, "b": 69, "c": 70, "d": 10}


def test_rare_classes_are_filled_to_the_largest_rarest_first():
    assert list(balance_plan(COUNTS, 0.7).items()) == [("d", 90), ("b", 31)]
    assert balance_plan(COUNTS, 0.0) == {}
    assert balance_plan(COUNTS) == {"d": 90, "b": 31, "c": 30}


def test_classes_are_filled_up_to_a_fraction():
    assert balance_plan(COUNTS, target=0.7) == {"d": 60, "b": 1}
    assert balance_plan(COUNTS, target=0.05) == {}


def test_all_classes_can_be_filled_up_past_the_largest():
    assert balance_plan(COUNTS, 2.0, 1.5) == {"d": 140, "b": 81, "c": 80, "a": 50}
    assert "a" not in balance_plan(COUNTS, 1.0, 1.5)


def test_the_reports_plan_adds_2300_to_eight_classes():
    """6 x 250 + 2 x 400."""
    every = {
        f"{gender}_{emotion}": 5
        for gender in ("male", "female")
        for emotion in ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
    }
    plan = report_plan(every)
    assert sum(plan.values()) == 2300
    assert len(plan) == 8
    assert (plan["male_sad"], plan["female_surprise"]) == (250, 400)
    assert "female_sad" not in plan
    del every["male_sad"]
    assert "male_sad" not in report_plan(every)


def test_counts_without_a_plan_are_refused():
    with pytest.raises(InputError, match="`counts`"):
        balance_plan({})
    with pytest.raises(InputError, match="target=11"):
        balance_plan(COUNTS, target=11)
    with pytest.raises(InputError, match=r"male_neutral.*happy, sad"):
        report_plan({"happy": 3, "sad": 4})


def test_without_a_rare_class_the_smallest_is_named():
    found = explain_no_rare_class({"happy": 288, "sad": 192}, 0.5)
    assert "50%" in found
    assert "sad, with 192 of 288 (67%)" in found
