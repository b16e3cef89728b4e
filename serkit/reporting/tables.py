"""Markdown tables of results."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from serkit.formatting import markdown_table, percent
from serkit.metrics.classification import Scores, score
from serkit.metrics.intervals import Group, breakdown, confusion_table, measure_table, recall_table

_MINUS = "\N{MINUS SIGN}"


def fidelity_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the rows of :meth:`serkit.studies.rare_classes.RareClasses.fidelity` as Markdown.

    KID is shown with its standard error. FID is in brackets if there are too few samples for a
    reliable value.
    """
    head = ["", "samples", "KID", "FID", "precision", "recall", "density", "coverage"]
    head += ["copying, Z", "near-copies", "refused"]
    return markdown_table(head, [_cells(row) for row in rows])


def nearest_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the rows of :meth:`serkit.studies.rare_classes.RareClasses.nearest` as Markdown."""
    columns = "least", "lowest", "median"
    head = ["to the nearest training clip, as spectrograms", "clips", "least", "5 %", "median"]
    cells = [[row["set"], str(row["count"]), *(f"{row[c]:.2f}" for c in columns)] for row in rows]
    return markdown_table(head, cells)


def accuracy_table(classes: Sequence[str], label: str, scores: Mapping[str, Scores]) -> str:
    """Return classification accuracy scores as Markdown, one row per source of training data.

    Args:
        classes: names of all classes.
        label: the class whose real training clips are replaced.
        scores: scores on the real test clips, by the data that the class is learned from.
    """
    number = classes.index(label)
    rows = [
        [
            name,
            *("" if value is None else percent(value) for value in (s.recalls[number], s.uar)),
            percent(s.accuracy),
        ]
        for name, s in scores.items()
    ]
    return markdown_table([f"{label} from", "its recall", "UAR", "accuracy"], rows)


def _cells(row: Mapping) -> list[str]:
    fid = f"{row['fid']:.0f}"
    fractions = [f"{row[name]:.2f}" for name in ("precision", "recall", "density", "coverage")]
    return [
        row["set"],
        str(row["count"]),
        f"{_signed(row['kid'])} ± {row['kid_error']:.2f}",
        fid if row["fid_reliable"] else f"({fid})",
        *fractions,
        "" if row["copying"] is None else _signed(row["copying"], 1),
        *(percent(row[name], 0) for name in ("copies", "refused")),
    ]


def _signed(value: float, digits: int = 2) -> str:
    return f"{value:.{digits}f}".replace("-", _MINUS)


_MEASURES = ("uar", "accuracy", "macro_f1")


def scores_of_folds(predictions: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Compute the scores of every training run on its own test partition.

    Args:
        predictions: table from :meth:`serkit.studies.cross_validation.CrossValidation.predictions`.
        classes: names of all classes.

    Returns:
        A row for each ``seed`` and ``fold`` (the index) with ``uar``, ``accuracy``, ``macro_f1``.
    """
    rows = {}
    for key, clips in predictions.groupby(["seed", "fold"]):
        found = score(*_numbers(clips, classes), len(classes))
        rows[key] = {name: getattr(found, name) for name in _MEASURES}
    table = pd.DataFrame.from_dict(rows, orient="index")
    return table.rename_axis(index=["seed", "fold"])


def groups_of_clips(predictions: pd.DataFrame, classes: Sequence[str]) -> list[Group]:
    """Compute measures of all clips, per corpus and per gender, with intervals over speakers.

    The groups per corpus are left out if there is only one corpus; likewise those per gender. The
    arguments are those of :func:`scores_of_folds`.
    """
    attributes = {
        name: predictions[name] for name in ("corpus", "gender") if predictions[name].nunique() > 1
    }
    truth, predicted = _numbers(predictions, classes)
    return breakdown(truth, predicted, predictions["speaker"], len(classes), attributes, seed=0)


def classifier_report(predictions: pd.DataFrame, classes: Sequence[str]) -> str:
    """Return all tables of a cross-validation as Markdown.

    The mean over folds is the usual result in the literature. The pooled measures, over all
    predictions of all training runs, have an interval over speakers. The arguments are those of
    :func:`scores_of_folds`.
    """
    folds = scores_of_folds(predictions, classes)
    seeds = folds.groupby("seed").mean()
    several = len(seeds) > 1
    rows = [
        [str(seed), *(f"{100 * values[name]:.1f}" for name in _MEASURES)]
        for seed, values in seeds.iterrows()
    ]
    means = [100 * folds[name].mean() for name in _MEASURES]
    spread = [100 * seeds[name].std(ddof=1) if several else np.nan for name in _MEASURES]
    shown = [
        f"{m:.1f} ± {d:.1f}" if several else f"{m:.1f}" for m, d in zip(means, spread, strict=True)
    ]
    groups = groups_of_clips(predictions, classes)
    tables = [
        (["mean over folds, seed", "UAR", "accuracy", "macro F1"], [*rows, ["mean", *shown]]),
        measure_table(groups),
        recall_table(groups, classes),
        confusion_table(groups[0], classes),
    ]
    return "\n".join(markdown_table(*table) for table in tables)


def _numbers(
    clips: pd.DataFrame, classes: Sequence[str]
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    place = {label: number for number, label in enumerate(classes)}
    return tuple(clips[name].map(place).to_numpy() for name in ("truth", "predicted"))
