import numpy as np
import pytest

from serkit.export import signatures
from serkit.serving.prediction import Prediction

ROW = {
    "probabilities": np.array([0.25, 0.75], "float32"),
    "label": b"sad",
    "entropy": np.float32(0.5),
    "mutual_information": np.float32(0.125),
    "abstain": np.bool_(True),
    "status": b"",
    "note": "odd",
}


def test_a_row_becomes_a_prediction_whether_words_are_bytes_or_not():
    found = Prediction.of_outputs("a.wav", ["angry", "sad"], ROW)
    assert found == Prediction(
        "a.wav", "sad", {"angry": 0.25, "sad": 0.75}, "", 0.5, 0.125, True, "odd"
    )
    assert type(found.abstain) is bool
    assert set(ROW) == set(signatures.OUTPUTS)
    as_text = {name: v.decode() if isinstance(v, bytes) else v for name, v in ROW.items()}
    assert Prediction.of_outputs("a.wav", ["angry", "sad"], as_text) == found


def test_what_could_not_be_used_has_a_problem_and_no_answer():
    found = Prediction.of_outputs("a.wav", ["angry", "sad"], ROW | {"status": b"not a WAV file"})
    assert found == Prediction("a.wav", "", {}, "not a WAV file", abstain=True)


def test_as_many_probabilities_as_classes():
    with pytest.raises(ValueError, match="zip"):
        Prediction.of_outputs("a.wav", ["angry"], ROW)
