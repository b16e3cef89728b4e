import numpy as np
import pytest

from serkit.metrics.calibration import softmax
from serkit.studies.deployment import AbstentionSettings, calibrate, model_card_evidence
from serkit.uncertainty.temperature import best_temperature


class Overconfident:
    """Predicts with a probability near 1, and wrongly for every third clip."""

    def predict_logits(self, x, n=30, seed=0):
        numbers = x.reshape(-1).astype(int)
        # Even numbers are sad, the second class.
        called = np.where(numbers % 3 == 0, numbers % 2, 1 - numbers % 2)
        # Less confident where it is wrong, so that abstaining raises the accuracy.
        strength = np.where(numbers % 3 == 0, 6.0, 8.0)
        return (np.eye(2)[called] * strength[:, None])[None].astype("float32")


def test_temperature_and_threshold_are_fitted_on_the_validation_partition(partitions):
    chosen = calibrate(Overconfident(), partitions, AbstentionSettings(0.5))
    validation = partitions.spectrograms(partitions.split.validation)
    labels = partitions.labels(partitions.split.validation)
    raw = Overconfident().predict_logits(validation)
    assert chosen.predictor.temperature == pytest.approx(best_temperature(raw, labels))
    assert chosen.predictor.temperature > 2
    predictions = chosen.predict(validation)
    assert (~predictions.abstain).mean() == pytest.approx(0.5, abs=0.5)
    scaled = softmax(raw[0].astype(float) / chosen.predictor.temperature)
    np.testing.assert_allclose(predictions.probabilities, scaled, atol=1e-6)


def test_measures_are_of_the_test_partition(partitions):
    chosen = calibrate(Overconfident(), partitions, AbstentionSettings(1.0))
    found = model_card_evidence(chosen, partitions, {"sad": 5}, seed=0)
    split, test = partitions.split, partitions.split.test
    counted = {name: part["clips"] for name, part in found["data"]["parts"].items()}
    assert counted == {name: len(part) for name, part in split.partitions().items()}
    assert found["data"]["generated"] == {"sad": 5}
    assert sum(found["data"]["classes"].values()) == len(split.train)
    assert found["data"]["licences"] == {"c": "the owner's; ask them"}
    assert found["data"]["synthetic"] is False
    all_clips = found["test"]["groups"][0]
    numbers = partitions.spectrograms(test).reshape(-1)
    right = float(np.mean(numbers % 3 != 0))
    assert all_clips["clips"] == len(test)
    assert all_clips["measures"]["accuracy"]["value"] == pytest.approx(right)
    assert {(g["attribute"], g["value"]) for g in found["test"]["groups"][1:]} == {
        ("corpus", "c"),
        ("gender", "male"),
    }
    calibration = found["test"]["calibration"]
    assert calibration["with it"]["nll"] < calibration["without a temperature"]["nll"]
    assert found["abstention"]["accuracy_of_all"] == pytest.approx(right)
    assert found["abstention"]["validation_coverage"] == 1.0


def test_abstaining_raises_the_accuracy(partitions):
    chosen = calibrate(Overconfident(), partitions, AbstentionSettings(None, 1.0))
    found = model_card_evidence(chosen, partitions, {}, seed=0)["abstention"]
    assert found["coverage"] < 1
    assert found["accuracy"] == 1.0 > found["accuracy_of_all"]
