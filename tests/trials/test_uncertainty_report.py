import numpy as np
import pandas as pd
import pytest

from serkit.trials.uncertainty_report import (
    MEASURES,
    differences,
    measure_methods,
    strangers_found,
    uncertainty_report,
)

CLASSES = ("angry", "happy", "sad")


def _answers(rng, sharpness, method, clips=240):
    """True probabilities, made surer or less sure than they are."""
    logits = rng.normal(0, 1.5, (clips, 3))
    likely = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = (likely.cumsum(axis=1) < rng.random((clips, 1))).sum(axis=1)
    said = likely**sharpness / (likely**sharpness).sum(axis=1, keepdims=True)
    rows = pd.DataFrame(said, columns=[f"p_{label}" for label in CLASSES])
    rows["total"] = -(said * np.log(said)).sum(axis=1)
    rows["epistemic"] = 0.0
    rows["strangeness"] = rng.normal(size=clips)
    rows["truth"] = [CLASSES[number] for number in truth]
    rows["speaker"] = [f"s{number % 12}" for number in range(clips)]
    strange = rows.assign(kind="noise", truth="", speaker="", total=rows["total"] + 5)
    rows = pd.concat([rows.assign(kind="known"), strange])
    return rows.assign(
        method=method,
        twin="" if sharpness == 1 else "honest",
        seed=0,
        fold=np.arange(2 * clips) % 2,
    )


@pytest.fixture
def answers(rng):
    state = rng.bit_generator.state
    honest = _answers(rng, 1.0, "honest")
    rng.bit_generator.state = state
    return pd.concat([honest, _answers(rng, 3.0, "too sure")])


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
    assert strangers_found(answers)["honest"] == {"noise": 1.0}
    assert strangers_found(answers, "epistemic")["honest"] == {"noise": 0.5}


def test_tables(answers):
    text = uncertainty_report(answers, CLASSES)
    assert "| honest |" in text
    assert "| too sure | 1.00 |" in text
    assert "strangers found by epistemic uncertainty" in text
    assert "strangers found by feature density" in text
    assert "| too sure less honest | 0.0 [0.0, 0.0] |" in text
    nobody = uncertainty_report(answers[answers["kind"] == "known"], CLASSES)
    assert "strangers" not in nobody
