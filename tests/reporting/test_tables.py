from serkit.metrics.classification import Scores
from serkit.reporting.tables import accuracy_table, fidelity_table, nearest_table

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


def test_what_a_class_is_learned_from():
    score = Scores(0.5, 0.625, 0.0, (0.25, 1.0), ())
    assert accuracy_table(("sad", "angry"), "angry", {"real clips": score}) == (
        "| angry from | its recall | UAR | accuracy |\n| --- | ---: | ---: | ---: |\n"
        "| real clips | 100.0 % | 62.5 % | 50.0 % |\n"
    )


def test_how_near_a_set_comes():
    row = {"set": "real", "count": 4, "least": 1.0, "lowest": 1.234, "median": 2.0}
    assert nearest_table([row]).splitlines()[2] == "| real | 4 | 1.00 | 1.23 | 2.00 |"
