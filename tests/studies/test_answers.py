import numpy as np
import pandas as pd
import pytest

from serkit.errors import InputError
from serkit.metrics.classification import accuracy, average_recall, confusion_by_speaker
from serkit.metrics.paired import difference, holm
from serkit.studies.answers import compare_answers, results_table

CLASSES = ("calm", "happy", "sad")


@pytest.fixture(scope="module")
def answers():
    """Predictions of ten speakers: of two seeds for two arms, of one seed for a third arm."""
    rng, tables = np.random.default_rng(0), []
    for arm, seeds, right in (("bar", (0, 1), 0.5), ("good", (0, 1), 0.9), ("one", (1,), 0.5)):
        for seed in seeds:
            truth = np.tile(CLASSES, 40)
            is_right = rng.random(len(truth)) < right
            speakers = np.repeat([f"speaker {number}" for number in range(10)], 12)
            columns = {
                "speaker": speakers,
                "truth": truth,
                "predicted": np.where(is_right, truth, np.roll(truth, 1)),
            }
            tables.append(pd.DataFrame(columns).assign(arm=arm, seed=seed))
    return pd.concat(tables)


def _confusion(answers, arm, seeds):
    rows = answers[(answers["arm"] == arm) & answers["seed"].isin(seeds)]
    numbers = {label: number for number, label in enumerate(CLASSES)}
    truth, predicted = (rows[name].map(numbers) for name in ("truth", "predicted"))
    return confusion_by_speaker(
        truth, predicted, rows["seed"], np.zeros(len(rows)), rows["speaker"], len(CLASSES)
    )


def test_each_arm_is_compared_with_the_baseline_on_common_seeds(answers):
    bar, good, one = compare_answers(answers, CLASSES, "bar", ("happy", "sad"))
    assert [result.arm for result in (bar, good, one)] == ["bar", "good", "one"]
    assert [result.seeds for result in (bar, good, one)] == [2, 2, 1]
    assert (bar.difference, bar.p) == (None, None)
    expected = [
        difference(
            _confusion(answers, "bar", seeds),
            _confusion(answers, arm, seeds),
            average_recall,
            seed=0,
        )
        for arm, seeds in (("good", (0, 1)), ("one", (1,)))
    ]
    assert [good.difference, one.difference] == expected
    assert [good.p, one.p] == holm([found.p for found in expected])
    assert good.difference.estimate.low > 0.2 > one.difference.estimate.value
    # All classes have as many clips, and two of them are rare.
    rare = answers[(answers["arm"] == "good") & (answers["truth"] != "calm")]
    assert good.rare_recall.value == pytest.approx((rare["truth"] == rare["predicted"]).mean())
    assert good.uar.value == pytest.approx(accuracy(_confusion(answers, "good", (0, 1)).pooled))


def test_the_table_has_a_row_for_each_arm(answers):
    table = results_table(compare_answers(answers, CLASSES, "bar", ("sad",)), "bar")
    header, _, *rows = table.splitlines()
    assert header.endswith("| difference to bar | p, Holm | recall of rare classes |")
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]
    assert [row[:2] for row in cells] == [["bar", "2"], ["good", "2"], ["one", "1"]]
    assert cells[0][3:5] == ["", ""]
    assert cells[1][3].startswith("+")
    plain = results_table(compare_answers(answers, CLASSES, "bar"), "bar")
    assert "recall" not in plain


def test_without_the_baseline_nothing_is_compared(answers):
    found = compare_answers(answers[answers["arm"] != "bar"], CLASSES, "bar")
    assert [(result.arm, result.difference) for result in found] == [("good", None), ("one", None)]


def test_other_clips_are_refused(answers):
    fewer = answers[(answers["arm"] == "bar") | (answers["truth"] == "sad")]
    with pytest.raises(InputError, match="same number of predictions"):
        compare_answers(fewer, CLASSES, "bar")
