import pytest

from serkit.studies.uncertainty_results import MEASURES, differences, measure_methods, ood_detection

CLASSES = ("angry", "happy", "sad")


def test_an_overconfident_method_has_worse_scores(answers):
    found = measure_methods(answers, CLASSES)
    calibrated, overconfident = found["calibrated"], found["overconfident"]
    assert list(calibrated) == list(MEASURES)
    assert calibrated["UAR"] == overconfident["UAR"]
    for name in ("NLL", "Brier", "ECE", "adaptive ECE", "classwise ECE"):
        assert calibrated[name].value < overconfident[name].value
    assert calibrated["NLL"].low < calibrated["NLL"].value < calibrated["NLL"].high
    assert calibrated["gain"].value > 0.05
    assert calibrated["errors found"].value > 0.6


def test_differences_are_on_the_same_clips(answers):
    assert differences(answers, CLASSES, "calibrated", "overconfident", "UAR").value == 0
    found = differences(answers, CLASSES, "calibrated", "overconfident", "NLL")
    each = measure_methods(answers, CLASSES)
    expected = each["overconfident"]["NLL"].value - each["calibrated"]["NLL"].value
    assert found.value == pytest.approx(expected)
    assert 0 < found.low < found.high


def test_ood_detection(answers):
    assert ood_detection(answers)["calibrated"] == {"noise": 1.0}
    assert ood_detection(answers, "epistemic")["calibrated"] == {"noise": 0.5}
