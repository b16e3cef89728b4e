import numpy as np
import pytest

from serkit.metrics.classification import score
from serkit.studies.arm_predictions import ArmPredictions, mean_recall


@pytest.fixture
def outcome(pretended):
    comparison, results = pretended
    runs = comparison.finished_runs("k-fold", "compact", comparison.arms[0])
    return ArmPredictions(comparison.arms[0], runs, results["classes"], results["rare"])


def test_measures_are_those_of_all_predictions(outcome):
    table, found = outcome.predictions, outcome.to_json(0)
    assert len(table) == 2 * 160
    place = {label: number for number, label in enumerate(outcome.classes)}
    truth, predicted = (table[name].map(place) for name in ("truth", "predicted"))
    wanted = score(truth, predicted, len(outcome.classes))
    for name in ("uar", "accuracy", "macro_f1"):
        assert found[name]["value"] == pytest.approx(getattr(wanted, name))
        assert found[name]["low"] < found[name]["value"] < found[name]["high"]
    assert found["confusion"] == [list(row) for row in wanted.confusion]
    recalls = [found["recalls"][label]["value"] for label in outcome.classes]
    assert recalls == pytest.approx(wanted.recalls)
    rare = [recalls[outcome.classes.index(label)] for label in outcome.rare]
    assert found["rare_recall"]["value"] == pytest.approx(np.mean(rare))


def test_by_seed_speaker_corpus_and_gender(outcome):
    found, table = outcome.to_json(0), outcome.predictions
    assert list(found["uar_of_seeds"]) == ["0", "1"]
    assert set(found["uar_of_speakers"]) == set(table["speaker"])
    name, group = table["speaker"].iloc[0], table[table["speaker"] == table["speaker"].iloc[0]]
    hits = (group["truth"] == group["predicted"]).groupby(group["truth"]).mean()
    assert found["uar_of_speakers"][name] == pytest.approx(hits.mean())
    values = [(g["attribute"], g["value"]) for g in found["groups"]]
    assert ("corpus", "all but tess") in values
    assert ("gender", "female") in values
    clips = {g["value"]: g["clips"] for g in found["groups"] if g["attribute"] == "corpus"}
    assert clips["all but tess"] == 160 - clips["tess"]


def test_calibration_is_of_the_logits(outcome):
    found = outcome.to_json(0)["calibration"]
    # Logits are 2 for what is called and 0 for all others.
    sure = np.exp(2) / (np.exp(2) + len(outcome.classes) - 1)
    right = (outcome.predictions["truth"] == outcome.predictions["predicted"]).mean()
    assert found["ece"] == pytest.approx(abs(right - sure))
    assert sum(found["counts"]) == len(outcome.predictions)


def test_the_mean_recall_of_some_classes():
    confusion = np.array([[[3, 1, 0], [2, 2, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 0], [0, 0, 5]]])
    np.testing.assert_allclose(mean_recall([0, 1])(confusion), [0.625, np.nan])
    # Classes without clips do not count.
    np.testing.assert_allclose(mean_recall([1, 2])(confusion), [0.5, 1.0])
