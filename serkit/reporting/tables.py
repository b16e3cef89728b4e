"""Markdown tables of results."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from serkit.formatting import markdown_table
from serkit.metrics.classification import Scores, score
from serkit.metrics.intervals import Group, breakdown, confusion_cells, measure_cells, recall_cells

_MINUS = "\N{MINUS SIGN}"


def fidelity_table(rows: Sequence[Mapping]) -> str:
    """What :meth:`serkit.studies.rare_classes.RareClasses.fidelity` gives, as Markdown.

    KID has its standard error; FID is in brackets where there are too few samples for it to mean
    something.
    """
    head = ["", "samples", "KID", "FID", "precision", "recall", "density", "coverage"]
    head += ["copying, Z", "near-copies", "refused"]
    return markdown_table(head, [_cells(row) for row in rows])


def nearest_table(rows: Sequence[Mapping]) -> str:
    """What :meth:`serkit.studies.rare_classes.RareClasses.nearest` gives, as Markdown."""
    columns = "least", "lowest", "median"
    head = ["to the nearest training clip, as pictures", "clips", "least", "5 %", "median"]
    cells = [[row["set"], str(row["count"]), *(f"{row[c]:.2f}" for c in columns)] for row in rows]
    return markdown_table(head, cells)


def accuracy_table(classes: Sequence[str], label: str, scores: Mapping[str, Scores]) -> str:
    """Classification accuracy scores as Markdown: what a classifier learns a class from.

    Args:
        classes: names of all classes.
        label: the class that is learned from something else than its real clips.
        scores: by what it is learned from, on the real test clips.
    """
    number = classes.index(label)
    rows = [
        [name, *(f"{100 * value:.1f} %" for value in (s.recalls[number], s.uar, s.accuracy))]
        for name, s in scores.items()
    ]
    return markdown_table([f"{label} from", "its recall", "UAR", "accuracy"], rows)


def _cells(row: Mapping) -> list[str]:
    fid = f"{row['fid']:.0f}"
    shares = [f"{row[name]:.2f}" for name in ("precision", "recall", "density", "coverage")]
    return [
        row["set"],
        str(row["count"]),
        f"{_signed(row['kid'])} ± {row['kid_error']:.2f}",
        fid if row["fid_reliable"] else f"({fid})",
        *shares,
        "" if row["copying"] is None else _signed(row["copying"], 1),
        *(f"{100 * row[name]:.0f} %" for name in ("copies", "refused")),
    ]


def _signed(value: float, digits: int = 2) -> str:
    return f"{value:.{digits}f}".replace("-", _MINUS)


_MEASURES = ("uar", "accuracy", "macro_f1")


def scores_of_folds(predictions: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Scores of every training on its own test part.

    Args:
        predictions: of :meth:`serkit.studies.cross_validation.CrossValidation.predictions`.
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
    """Measures over all predictions, per corpus and per gender, with intervals over speakers.

    Without the corpora if there is but one, or the genders. Arguments as for
    :func:`scores_of_folds`.
    """
    attributes = {
        name: predictions[name] for name in ("corpus", "gender") if predictions[name].nunique() > 1
    }
    truth, predicted = _numbers(predictions, classes)
    return breakdown(truth, predicted, predictions["speaker"], len(classes), attributes, seed=0)


def classifier_report(predictions: pd.DataFrame, classes: Sequence[str]) -> str:
    """All of it as Markdown.

    The mean over folds is what is usually reported; the pooled measures, over all predictions of
    all trainings, have an interval over speakers. Arguments as for :func:`scores_of_folds`.
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
        measure_cells(groups),
        recall_cells(groups, classes),
        confusion_cells(groups[0], classes),
    ]
    return "\n".join(markdown_table(*table) for table in tables)


def _numbers(clips: pd.DataFrame, classes: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    place = {label: number for number, label in enumerate(classes)}
    return tuple(clips[name].map(place).to_numpy() for name in ("truth", "predicted"))
