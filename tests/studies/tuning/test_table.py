import pandas as pd

from serkit.studies.tuning.records import Outcome
from serkit.studies.tuning.search import trial_row, trials_table


class _Objective:
    name, goal = "UAR", "max"


def _rows(*shares):
    first, second = Outcome(0.25, (0.2, 0.3), {"nll": 1.5}), Outcome(0.5, (0.4, 0.6), {"nll": -1.0})
    return pd.DataFrame(
        [
            trial_row("as it was", {}, 1.0, first),
            trial_row("0", {"rate": 0.001}, shares[0], second),
            trial_row("1", {"rate": 1.0}, shares[1], None, "a loss is nan"),
        ]
    )


def test_best_trial_first_and_failed_trials_last():
    assert trials_table(_rows(1.0, 1.0), _Objective()) == (
        "| trial | UAR | fold 1 | fold 2 | nll | rate |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: |\n"
        "| 0 | 0.5 | 0.4 | 0.6 | \N{MINUS SIGN}1 | 0.001 |\n"
        "| as it was | 0.25 | 0.2 | 0.3 | 1.5 |  |\n"
        "\nTrial 1 failed: a loss is nan.\n"
    )


def test_fractions_are_shown_where_they_differ():
    text = trials_table(_rows(0.5, 1.0), _Objective())
    assert "| rate | share |" in text
    assert "| 0.001 | 0.5 |" in text
