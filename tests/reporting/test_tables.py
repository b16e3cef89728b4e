import numpy as np
import pytest

from serkit.metrics.classification import Scores
from serkit.metrics.intervals import breakdown
from serkit.reporting.tables import (
    accuracy_table,
    confusion_table,
    fidelity_table,
    measure_table,
    nearest_table,
    recall_table,
)

ROW = {
    "set": "real",
    "count": 40,
    "kid": -0.123,
    "kid_error": 0.456,
    "fid": 37.2,
    "fid_reliable": False,
    "precision": 0.656,
    "recall": 0.75,
    "density": 0.469,
    "coverage": 1.0,
    "copying": None,
    "copies": 0.051,
    "refused": 0.0,
}


def test_numbers_are_rounded_and_doubtful_ones_in_brackets():
    *_, first, second = fidelity_table(
        [ROW, ROW | {"set": "made", "fid_reliable": True, "copying": -6.98}]
    ).splitlines()
    assert first.split("|")[1:7] == [
        *(" real ", " 40 ", " \N{MINUS SIGN}0.12 ± 0.46 ", " (37) ", " 0.66 ", " 0.75 "),
    ]
    assert first.endswith("| 0.47 | 1.00 |  | 5 % | 0 % |")
    assert "| 37 |" in second
    assert "| \N{MINUS SIGN}7.0 |" in second


def test_accuracy_by_source_of_training_data():
    score = Scores(0.5, 0.625, 0.0, (0.25, 1.0), ())
    assert accuracy_table(("sad", "angry"), "angry", {"real clips": score}) == (
        "| angry from | its recall | UAR | accuracy |\n| --- | ---: | ---: | ---: |\n"
        "| real clips | 100.0 % | 62.5 % | 50.0 % |\n"
    )


def test_distances_to_the_nearest_training_clip():
    row = {"set": "real", "count": 4, "least": 1.0, "lowest": 1.234, "median": 2.0}
    assert nearest_table([row]).splitlines()[2] == "| real | 4 | 1.00 | 1.23 | 2.00 |"


@pytest.fixture
def groups():
    """Groups of three speakers, which are too few for intervals; one has no known gender."""
    truth = np.array([0, 0, 1, 1, 0, 1])
    predicted = np.array([0, 1, 1, 1, 0, 0])
    speakers = ["a", "a", "b", "b", "c", "c"]
    genders = ["", "", "female", "female", "male", "male"]
    return breakdown(truth, predicted, speakers, 2, {"gender": genders}, seed=0)


def test_measures_of_groups_in_per_cent(groups):
    assert measure_table(groups[:3]).splitlines() == [
        "|  | speakers | predictions | UAR | accuracy | macro F1 |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        "| all | 3 | 6 | 66.7 | 66.7 | 66.7 |",
        "| gender: unknown | 1 | 2 | 50.0 | 50.0 | 33.3 |",
        "| gender: female | 1 | 2 | 100.0 | 100.0 | 100.0 |",
    ]


def test_recalls_of_groups_in_per_cent_and_none_for_a_class_without_clips(groups):
    header, _, _, _, female, _ = recall_table(groups, ["sad", "happy"]).splitlines()
    assert header == "| recall | sad | happy |"
    assert female == "| gender: female |  | 100.0 |"


def test_confusion_in_per_cent_of_the_true_class(groups):
    header, _, *rows = confusion_table(groups[0], ["sad", "happy"]).splitlines()
    assert header == "| true, called | sad | happy |"
    assert rows == ["| sad | 67 | 33 |", "| happy | 33 | 67 |"]
