import numpy as np

from serkit.studies.demo import compare_arms


class _Oracle:
    """Reads the label from the spectrogram; wrong for some speakers."""

    def __init__(self, wrong: set[int]) -> None:
        self._wrong = wrong

    def predict(self, spectrograms, **_):
        numbers = spectrograms.reshape(-1).astype(int)
        truth = 1 - numbers % 2
        calls = np.where(np.isin(numbers // 2, list(self._wrong)), 1 - truth, truth)
        return np.eye(2)[calls]


def test_each_part_is_scored_and_the_better_arm_is_chosen_on_validation(partitions):
    def numbers(part):
        return {int(speaker[1:]) for speaker in part.speakers()}

    models = {
        # Wrong for the validation speakers, right for the test speakers, and the other way round.
        "original": _Oracle(numbers(partitions.split.validation)),
        "augmented": _Oracle(numbers(partitions.split.test)),
    }
    metrics = compare_arms(models, partitions, {"sad": 5}, seed=0)
    uar = {a: {p: v["uar"] for p, v in arms.items()} for a, arms in metrics["arms"].items()}
    assert uar["original"] == {"train": 1, "validation": 0, "test": 1}
    assert uar["augmented"] == {"train": 1, "validation": 1, "test": 0}
    assert metrics["better"] == "augmented"
    assert metrics["uar_difference"] == {"value": -1, "low": None, "high": None}
    assert metrics["generated"] == {"sad": 5}
    assert (metrics["protocol"], metrics["leaky"]) == ("hold-out, one split, one seed", False)
    assert metrics["parts"]["test"]["clips"] == len(partitions.split.test)
