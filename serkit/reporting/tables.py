"""Markdown tables of results."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt
import pandas as pd

from serkit.formatting import markdown_table, percent
from serkit.metrics.classification import Scores, score
from serkit.metrics.intervals import Group, breakdown

_MINUS = "\N{MINUS SIGN}"
_MEASURES = ("uar", "accuracy", "macro_f1")


def fidelity_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the rows of :meth:`serkit.studies.rare_classes.RareClasses.fidelity` as Markdown.

    KID is shown with its standard error. FID is in brackets if there are too few samples for a
    reliable value.
    """
    header = ["", "samples", "KID", "FID", "precision", "recall", "density", "coverage"]
    header += ["copying, Z", "near-copies", "refused"]
    return markdown_table(header, [_fidelity_cells(row) for row in rows])


def nearest_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the rows of :meth:`serkit.studies.rare_classes.RareClasses.nearest` as Markdown."""
    header = ["to the nearest training clip, as spectrograms", "clips", "least", "5 %", "median"]
    cells = []
    for row in rows:
        distances = [f"{row[name]:.2f}" for name in ("least", "lowest", "median")]
        cells.append([row["set"], str(row["count"]), *distances])
    return markdown_table(header, cells)


def accuracy_table(classes: Sequence[str], label: str, scores: Mapping[str, Scores]) -> str:
    """Return classification accuracy scores as Markdown, one row per source of training data.

    Args:
        classes: names of all classes.
        label: the class whose real training clips are replaced.
        scores: scores on the real test clips, by the source of the training data of ``label``.
    """
    class_index = classes.index(label)
    rows = []
    for source, source_scores in scores.items():
        recall, uar = source_scores.recalls[class_index], source_scores.uar
        rows.append(
            [
                source,
                "" if recall is None else percent(recall),
                "" if uar is None else percent(uar),
                percent(source_scores.accuracy),
            ]
        )
    return markdown_table([f"{label} from", "its recall", "UAR", "accuracy"], rows)


def _fidelity_cells(row: Mapping[str, Any]) -> list[str]:
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


def _signed(value: float, decimals: int = 2) -> str:
    return f"{value:.{decimals}f}".replace("-", _MINUS)


def scores_of_folds(predictions: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Compute the scores of every training run on its own test partition.

    Args:
        predictions: table from :meth:`serkit.studies.cross_validation.CrossValidation.predictions`.
        classes: names of all classes.

    Returns:
        A row for each ``seed`` and ``fold`` (the index) with ``uar``, ``accuracy``, ``macro_f1``.
    """
    rows = {}
    for seed_and_fold, fold_predictions in predictions.groupby(["seed", "fold"]):
        truth, predicted = _class_numbers(fold_predictions, classes)
        scores = score(truth, predicted, len(classes))
        rows[seed_and_fold] = {name: getattr(scores, name) for name in _MEASURES}
    table = pd.DataFrame.from_dict(rows, orient="index")
    return table.rename_axis(index=["seed", "fold"])


def groups_of_clips(predictions: pd.DataFrame, classes: Sequence[str]) -> list[Group]:
    """Compute measures of all predictions, per corpus and per gender, with intervals over speakers.

    With one corpus only, there are no groups per corpus; likewise for genders. The arguments are
    those of :func:`scores_of_folds`.
    """
    attributes = {
        name: predictions[name] for name in ("corpus", "gender") if predictions[name].nunique() > 1
    }
    truth, predicted = _class_numbers(predictions, classes)
    return breakdown(truth, predicted, predictions["speaker"], len(classes), attributes, seed=0)


def classifier_report(predictions: pd.DataFrame, classes: Sequence[str]) -> str:
    """Return all tables of a cross-validation as Markdown.

    The mean over folds is the usual result in the literature. The pooled measures, over all
    predictions of all training runs, have an interval over speakers. The arguments are those of
    :func:`scores_of_folds`.
    """
    groups = groups_of_clips(predictions, classes)
    tables = [
        _mean_table(scores_of_folds(predictions, classes)),
        measure_table(groups),
        recall_table(groups, classes),
        confusion_table(groups[0], classes),
    ]
    return "\n".join(tables)


def _mean_table(fold_scores: pd.DataFrame) -> str:
    """Return the means over folds in % as Markdown: a row per seed, and their mean.

    With several seeds, ± is the standard deviation over the seeds.
    """
    seed_means = fold_scores.groupby("seed").mean()
    rows = []
    for seed, means in seed_means.iterrows():
        rows.append([str(seed), *(f"{100 * means[name]:.1f}" for name in _MEASURES)])
    last_row = ["mean"]
    for name in _MEASURES:
        text = f"{100 * fold_scores[name].mean():.1f}"
        if len(seed_means) > 1:
            text += f" ± {100 * seed_means[name].std(ddof=1):.1f}"
        last_row.append(text)
    header = ["mean over folds, seed", "UAR", "accuracy", "macro F1"]
    return markdown_table(header, [*rows, last_row])


def measure_table(groups: Sequence[Group]) -> str:
    """Return UAR, accuracy and macro F1 of each group in % as Markdown."""
    header = ["", "speakers", "predictions", "UAR", "accuracy", "macro F1"]
    rows = []
    for group in groups:
        measures = group.measures
        counts = [str(group.speakers), str(group.clips)]
        values = [str(measures.uar), str(measures.accuracy), str(measures.macro_f1)]
        rows.append([_group_name(group), *counts, *values])
    return markdown_table(header, rows)


def recall_table(groups: Sequence[Group], classes: Sequence[str]) -> str:
    """Return each group's recall of each class in % as Markdown."""
    rows = []
    for group in groups:
        recalls = ["" if recall is None else str(recall) for recall in group.measures.recalls]
        rows.append([_group_name(group), *recalls])
    return markdown_table(["recall", *classes], rows)


def confusion_table(group: Group, classes: Sequence[str]) -> str:
    """Return a confusion matrix as Markdown, each row in % of the class's predictions."""
    rows = []
    for label, counts in zip(classes, group.confusion, strict=True):
        total = max(sum(counts), 1)
        rows.append([label, *(f"{100 * count / total:.0f}" for count in counts)])
    return markdown_table(["true, called", *classes], rows)


def _group_name(group: Group) -> str:
    if group.attribute == "all":
        return group.attribute
    return f"{group.attribute}: {group.value or 'unknown'}"


def _class_numbers(
    predictions: pd.DataFrame, classes: Sequence[str]
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return the true and the predicted class numbers."""
    number_of_class = {label: number for number, label in enumerate(classes)}
    truth = predictions["truth"].map(number_of_class).to_numpy()
    return truth, predictions["predicted"].map(number_of_class).to_numpy()
