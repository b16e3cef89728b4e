import pytest

from serkit.studies.uncertainty_results import (
    MEASURES,
    differences,
    measure_methods,
    ood_detection,
)

CLASSES = ("angry", "happy", "sad")


def test_the_too_sure_are_found_out(answers):
    found = measure_methods(answers, CLASSES)
    honest, sure = found["honest"], found["too sure"]
    assert list(honest) == list(MEASURES)
    assert honest["UAR"] == sure["UAR"]
    for name in ("NLL", "Brier", "ECE", "adaptive ECE", "classwise ECE"):
        assert honest[name].value < sure[name].value
    assert honest["NLL"].low < honest["NLL"].value < honest["NLL"].high
    assert honest["gain"].value > 0.05
    assert honest["errors found"].value > 0.6


def test_differences_are_on_the_same_clips(answers):
    assert differences(answers, CLASSES, "honest", "too sure", "UAR").value == 0
    found = differences(answers, CLASSES, "honest", "too sure", "NLL")
    each = measure_methods(answers, CLASSES)
    expected = each["too sure"]["NLL"].value - each["honest"]["NLL"].value
    assert found.value == pytest.approx(expected)
    assert 0 < found.low < found.high


def test_strangers(answers):
    assert ood_detection(answers)["honest"] == {"noise": 1.0}
    assert ood_detection(answers, "epistemic")["honest"] == {"noise": 0.5}
