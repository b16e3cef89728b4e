"""What ways to be unsure did, side by side, as tables."""

from collections.abc import Sequence

import pandas as pd

from serkit.evaluation.intervals import Interval
from serkit.markdown import markdown_table
from serkit.trials.uncertainty_measures import (
    MEASURES,
    differences,
    measure_methods,
    strangers_found,
)

_FINDERS = {
    "total": "total uncertainty",
    "epistemic": "epistemic uncertainty",
    "strangeness": "feature density",
}
_OF_TWINS = ("UAR", "adaptive ECE")
_PLAIN = ("NLL", "Brier", "AURC", "errors found")


def uncertainty_report(answers: pd.DataFrame, classes: Sequence[str]) -> str:
    """All of it as Markdown.

    Arguments as for :func:`serkit.trials.uncertainty_measures.measure_methods`.
    """
    rows = []
    for method, found in measure_methods(answers, classes).items():
        rows.append([method, *(_shown(name, found[name]) for name in MEASURES)])
    text = [markdown_table(["", *(_head(name) for name in MEASURES)], rows)]
    pairs = answers.loc[answers["twin"] != "", ["twin", "method"]].drop_duplicates()
    rows = [
        [
            f"{method} less {twin}",
            *(str(differences(answers, classes, twin, method, name)) for name in _OF_TWINS),
        ]
        for twin, method in pairs.itertuples(index=False)
    ]
    if rows:
        text.append(markdown_table(["", *(f"{name}, points" for name in _OF_TWINS)], rows))
    for unsure, name in _FINDERS.items():
        found = strangers_found(answers, unsure)
        kinds = list(next(iter(found.values())))
        rows = [[m, *(f"{values[kind]:.2f}" for kind in kinds)] for m, values in found.items()]
        if kinds:
            text.append(markdown_table([f"strangers found by {name}", *kinds], rows))
    return "\n".join(text)


def _head(name: str) -> str:
    return name if name in _PLAIN else f"{name}, %"


def _shown(name: str, found: Interval) -> str:
    if name not in _PLAIN:
        return str(found)
    if found.low is None:
        return f"{found.value:.2f}"
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"
