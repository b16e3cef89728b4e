from dataclasses import replace

import numpy as np
import pytest

from serkit.corpora.corpus import Clip, Corpus
from serkit.corpora.splits import hold_out
from serkit.demo.parts import Parts
from serkit.demo.scores import compare_arms

CLIP = Clip("x.wav", "c", "s", "male", "sad", "sad")


class _Oracle:
    """Reads the label off the picture; wrong for some speakers."""

    def __init__(self, wrong: set[int]) -> None:
        self._wrong = wrong

    def predict(self, pictures, **_):
        numbers = pictures.reshape(-1).astype(int)
        truth = 1 - numbers % 2
        calls = np.where(np.isin(numbers // 2, list(self._wrong)), 1 - truth, truth)
        return np.eye(2)[calls]


@pytest.fixture
def parts() -> Parts:
    clips = [
        replace(CLIP, path=f"{n}.wav", speaker=f"s{n // 2:02}", emotion=("sad", "angry")[n % 2])
        for n in range(40)
    ]
    corpus = Corpus(tuple(clips))
    pictures = np.arange(40, dtype="float32").reshape(40, 1, 1, 1)
    return Parts(corpus, hold_out(corpus, "emotion", 0), pictures, "emotion")


def test_each_part_is_scored_and_the_better_arm_is_chosen_on_validation(parts):
    def numbers(part):
        return {int(speaker[1:]) for speaker in part.speakers()}

    models = {
        # Wrong for the validation speakers, right for the test speakers, and the other way round.
        "original": _Oracle(numbers(parts.split.validation)),
        "augmented": _Oracle(numbers(parts.split.test)),
    }
    metrics = compare_arms(models, parts, {"sad": 5}, seed=0)
    uar = {a: {p: v["uar"] for p, v in arms.items()} for a, arms in metrics["arms"].items()}
    assert uar["original"] == {"train": 1, "validation": 0, "test": 1}
    assert uar["augmented"] == {"train": 1, "validation": 1, "test": 0}
    assert metrics["better"] == "augmented"
    assert metrics["uar_difference"] == {"value": -1, "low": -1, "high": -1}
    assert metrics["generated"] == {"sad": 5}
    assert metrics["parts"]["test"]["clips"] == len(parts.split.test)
