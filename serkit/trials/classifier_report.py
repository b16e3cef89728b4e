"""What a cross-validated classifier did, as the tables that stand in the documentation."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from serkit.evaluation.breakdown import (
    Group,
    breakdown,
    confusion_cells,
    measure_cells,
    recall_cells,
)
from serkit.evaluation.metrics import score
from serkit.markdown import markdown_table

_MEASURES = ("uar", "accuracy", "macro_f1")


def scores_of_folds(predictions: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Scores of every training on its own test part.

    Args:
        predictions: of :meth:`serkit.trials.cross_validation.CrossValidation.predictions`.
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
