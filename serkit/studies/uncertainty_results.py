"""Numbers, tables and figures of several predictors side by side."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from serkit.files import replacing
from serkit.formatting import markdown_table
from serkit.metrics.bootstrap import Interval, bootstrap_interval
from serkit.metrics.calibration import (
    adaptive_calibration_error,
    brier,
    classwise_calibration_error,
    negative_log_likelihood,
    reliability,
)
from serkit.metrics.classification import score
from serkit.metrics.selective import accuracy_at, auroc, risk_coverage
from serkit.reporting.comparison_figures import calibration, risk_coverage_curves
from serkit.reporting.page import png

COVERAGE = 0.75
"""Fraction of clips that are answered when the classifier abstains on the most uncertain clips."""

Measure = Callable[[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]], float]


def _is_correct(p: npt.NDArray[Any], truth: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return p.argmax(axis=1) == truth


def _uar(p: npt.NDArray[Any], truth: npt.NDArray[Any], uncertainty: npt.NDArray[Any]) -> float:
    return score(truth, p.argmax(axis=1), p.shape[1]).uar


def _risk_coverage_area(
    p: npt.NDArray[Any], truth: npt.NDArray[Any], uncertainty: npt.NDArray[Any]
) -> float:
    return risk_coverage(uncertainty, _is_correct(p, truth)).area


def _error_detection(
    p: npt.NDArray[Any], truth: npt.NDArray[Any], uncertainty: npt.NDArray[Any]
) -> float:
    correct = _is_correct(p, truth)
    if correct.all() or not correct.any():
        return np.nan
    return auroc(uncertainty[correct], uncertainty[~correct])


def _accuracy_gain(
    p: npt.NDArray[Any], truth: npt.NDArray[Any], uncertainty: npt.NDArray[Any]
) -> float:
    correct = _is_correct(p, truth)
    accuracy = correct.mean()
    return accuracy_at(uncertainty, correct, COVERAGE) / accuracy - 1 if accuracy else np.nan


MEASURES: dict[str, Measure] = {
    "UAR": _uar,
    "NLL": lambda p, truth, _: negative_log_likelihood(p, truth),
    "Brier": lambda p, truth, _: brier(p, truth),
    "ECE": lambda p, truth, _: reliability(p, truth).ece,
    "adaptive ECE": lambda p, truth, _: adaptive_calibration_error(p, truth),
    "classwise ECE": lambda p, truth, _: classwise_calibration_error(p, truth),
    "AURC": _risk_coverage_area,
    "errors found": _error_detection,
    "gain": _accuracy_gain,
}
"""Measures by name.

Each is a function of probabilities ``(clips, classes)``, true class numbers ``(clips,)`` and
uncertainties ``(clips,)``. ``errors found`` is the AUROC of separating wrong from correct
predictions by their uncertainty; NaN if all predictions are correct, or none. ``gain`` is the
relative gain in accuracy from abstaining on the most uncertain quarter of the clips.
"""


def measure_methods(
    predictions: pd.DataFrame, classes: Sequence[str], uncertainty: str = "total"
) -> dict[str, dict[str, Interval]]:
    """Compute all measures of every method, with confidence intervals over speakers.

    Args:
        predictions: table of :meth:`serkit.studies.uncertainty_study.UncertaintyStudy.write`, with
            the rows of all folds and seeds.
        classes: names of all classes.
        uncertainty: column that holds the uncertainty of each prediction.

    Returns:
        For each method, in the order of the table, the measures by name.
    """
    intervals = {}
    for method, rows in _of_test_clips(predictions).groupby("method", sort=False):
        arrays = prediction_arrays(rows, classes, uncertainty)
        intervals[method] = {
            name: bootstrap_interval(
                partial(_measure_clips, measure, arrays), list(rows["speaker"]), seed=0
            )
            for name, measure in MEASURES.items()
        }
    return intervals


def differences(
    predictions: pd.DataFrame, classes: Sequence[str], first: str, second: str, measure: str
) -> Interval:
    """Compute a measure of ``second`` minus that of ``first``, with an interval over speakers.

    Args:
        predictions: as for :func:`measure_methods`.
        classes: names of all classes.
        first: name of a method.
        second: name of another method.
        measure: key of :data:`MEASURES`.
    """
    rows = _of_test_clips(predictions)
    first_rows, second_rows = rows[rows["method"] == first], rows[rows["method"] == second]
    first_arrays, second_arrays = (
        prediction_arrays(first_rows, classes),
        prediction_arrays(second_rows, classes),
    )

    def difference(clips: npt.NDArray[Any]) -> float:
        value_of_second = _measure_clips(MEASURES[measure], second_arrays, clips)
        return value_of_second - _measure_clips(MEASURES[measure], first_arrays, clips)

    return bootstrap_interval(difference, list(first_rows["speaker"]), seed=0)


def ood_detection(
    predictions: pd.DataFrame, uncertainty: str = "total"
) -> dict[str, dict[str, float]]:
    """Compute the AUROC of OOD detection for each kind of OOD input, a mean over folds and seeds.

    Args:
        predictions: as for :func:`measure_methods`.
        uncertainty: column that should be higher for OOD inputs than for test clips: ``total``,
            ``epistemic``, ``strangeness`` or ``distance``.

    Returns:
        For each method, the AUROC by kind of OOD input.
    """
    kinds = [kind for kind in predictions["kind"].unique() if kind != "known"]

    def mean_auroc(rows: pd.DataFrame, kind: str) -> float:
        folds = [fold.set_index("kind")[uncertainty] for _, fold in rows.groupby(["seed", "fold"])]
        return float(np.mean([auroc(fold.loc[["known"]], fold.loc[[kind]]) for fold in folds]))

    methods = predictions.groupby("method", sort=False)
    return {method: {kind: mean_auroc(rows, kind) for kind in kinds} for method, rows in methods}


def prediction_arrays(
    predictions: pd.DataFrame, classes: Sequence[str], uncertainty: str = "total"
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """Return the predictions for the test clips as arrays.

    Args:
        predictions: rows of one method, as for :func:`measure_methods`.
        classes: names of all classes.
        uncertainty: column that holds the uncertainty of each prediction.

    Returns:
        Probabilities ``(clips, classes)``, true class numbers ``(clips,)`` and uncertainties
        ``(clips,)``.
    """
    rows = _of_test_clips(predictions)
    class_numbers = {label: number for number, label in enumerate(classes)}
    probabilities = rows[[f"p_{label}" for label in classes]].to_numpy()
    truth = rows["truth"].map(class_numbers).to_numpy()
    return probabilities, truth, rows[uncertainty].to_numpy()


def _of_test_clips(predictions: pd.DataFrame) -> pd.DataFrame:
    return predictions[predictions["kind"] == "known"]


def _measure_clips(
    measure: Measure, arrays: Sequence[npt.NDArray[Any]], clips: npt.NDArray[Any]
) -> float:
    """Compute a measure of the clips at some positions in arrays of :func:`prediction_arrays`."""
    probabilities, truth, uncertainty = arrays
    return measure(probabilities[clips], truth[clips], uncertainty[clips])


# The column that only studies of features have. It does not depend on the method.
_DISTANCE = "distance"
# Columns that detect OOD inputs, and how a table calls them.
_DETECTORS = {
    "total": "total uncertainty",
    "epistemic": "epistemic uncertainty",
    "strangeness": "feature density",
    _DISTANCE: "distance of the features",
}
_MEASURES_COMPARED_WITH_TWINS = ("UAR", "adaptive ECE")
# All other measures are shown in per cent.
_MEASURES_NOT_IN_PER_CENT = ("NLL", "Brier", "AURC", "errors found")


def uncertainty_report(predictions: pd.DataFrame, classes: Sequence[str]) -> str:
    """Return Markdown tables of measures, differences from twins, and OOD detection.

    The twin of a method is the method that it is compared with, see
    :meth:`serkit.studies.uncertainty_study.UncertaintyStudy.evaluate`. Arguments are as for
    :func:`measure_methods`.
    """
    rows = []
    for method, intervals in measure_methods(predictions, classes).items():
        rows.append([method, *(_format_interval(name, intervals[name]) for name in MEASURES)])
    tables = [markdown_table(["", *(_column_name(name) for name in MEASURES)], rows)]

    pairs = predictions.loc[predictions["twin"] != "", ["twin", "method"]].drop_duplicates()
    compared = _MEASURES_COMPARED_WITH_TWINS
    rows = []
    for twin, method in pairs.itertuples(index=False):
        cells = [str(differences(predictions, classes, twin, method, name)) for name in compared]
        rows.append([f"{method} less {twin}", *cells])
    if rows:
        tables.append(markdown_table(["", *(f"{name}, points" for name in compared)], rows))

    for column, name in _DETECTORS.items():
        if column not in predictions:
            continue
        auroc_by_method = ood_detection(predictions, column)
        if column == _DISTANCE:
            auroc_by_method = {"every method": next(iter(auroc_by_method.values()))}
        kinds = list(next(iter(auroc_by_method.values())))
        rows = [
            [method, *(f"{auroc_by_kind[kind]:.2f}" for kind in kinds)]
            for method, auroc_by_kind in auroc_by_method.items()
        ]
        if kinds:
            tables.append(markdown_table([f"OOD inputs detected by {name}", *kinds], rows))
    return "\n".join(tables)


def _column_name(measure: str) -> str:
    return measure if measure in _MEASURES_NOT_IN_PER_CENT else f"{measure}, %"


def _format_interval(measure: str, interval: Interval) -> str:
    if measure not in _MEASURES_NOT_IN_PER_CENT:
        return str(interval)
    if interval.low is None:
        return f"{interval.value:.2f}"
    return f"{interval.value:.2f} [{interval.low:.2f}, {interval.high:.2f}]"


def write_uncertainty_figures(
    predictions: pd.DataFrame, classes: Sequence[str], folder: Path
) -> list[Path]:
    """Write reliability diagrams and risk-coverage curves.

    Each figure shows a method without a twin, and all methods that have this method as their twin.

    Args:
        predictions: as for :func:`measure_methods`.
        classes: names of all classes.
        folder: folder for ``reliability-<network>.png`` and ``risk-coverage-<network>.png``, where
            ``<network>`` is the name of the method without a twin.

    Returns:
        Paths of the files.
    """
    paths = []
    for network in predictions.loc[predictions["twin"] == "", "method"].unique():
        rows = predictions[(predictions["method"] == network) | (predictions["twin"] == network)]
        diagrams, curves = {}, {}
        for method, rows_of_method in rows.groupby("method", sort=False):
            probabilities, truth, uncertainty = prediction_arrays(rows_of_method, classes)
            diagrams[method] = asdict(reliability(probabilities, truth))
            curves[method] = risk_coverage(uncertainty, _is_correct(probabilities, truth))
        figures = {
            "reliability": calibration(diagrams),
            "risk-coverage": risk_coverage_curves(curves),
        }
        for kind, figure in figures.items():
            path = folder / f"{kind}-{network.replace(' ', '-')}.png"
            with replacing(path) as partial_file:
                partial_file.write_bytes(png(figure))
            paths.append(path)
    return paths
