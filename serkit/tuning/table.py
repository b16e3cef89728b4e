"""All trials of a search, as rows and as Markdown."""

from typing import Any

import pandas as pd

from serkit.markdown import markdown_table
from serkit.tuning.outcome import Outcome
from serkit.tuning.tuner import Objective


def trial_row(
    trial: str, values: dict, share: float, found: Outcome | None, failed: str = ""
) -> dict[str, Any]:
    """A row of ``trials.csv``.

    Args:
        trial: its name.
        values: that the search chose, by name.
        share: of a whole training.
        found: what came of it; None if it failed.
        failed: why.
    """
    row = {"trial": trial, "share": share, "score": found.score if found else None}
    if found:
        row |= {f"fold {number}": score for number, score in enumerate(found.folds, 1)}
        row |= {f"detail {name}": value for name, value in found.details.items()}
    row |= {f"hp {name}": value for name, value in values.items()}
    return row | {"failed": failed}


def trials_table(trials: pd.DataFrame, objective: Objective) -> str:
    """All trials as Markdown, best first; what failed comes last, with its reason.

    Args:
        trials: as in ``trials.csv``.
        objective: what they were scored by.
    """
    ordered = trials.sort_values("score", ascending=objective.goal == "min", kind="stable")
    folds = [name for name in trials.columns if name.startswith("fold ")]
    values = [name for name in trials.columns if name.startswith("hp ")]
    details = [name for name in trials.columns if name.startswith("detail ")]
    names = ["trial", "score", *folds, *details, *values]
    shared = trials["share"].nunique() > 1
    head = ["trial", objective.name, *(name.split(" ", 1)[-1] for name in folds + details + values)]
    head[2 : 2 + len(folds)] = folds
    rows = [
        [_cell(row[name]) for name in names] + ([f"{row['share']:.2g}"] if shared else [])
        for _, row in ordered[ordered["score"].notna()].iterrows()
    ]
    text = markdown_table([*head, *(["share"] if shared else [])], rows)
    failed = trials[trials["failed"] != ""]
    return text + "".join(
        f"\nTrial {row['trial']} failed: {row['failed']}.\n" for _, row in failed.iterrows()
    )


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:.3g}".replace("-", "\N{MINUS SIGN}")
    return str(value)
