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
"""Fraction of clips with a prediction where the classifier abstains on the most uncertain clips."""

Measured = Callable[[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]], float]


def _correct(p: npt.NDArray[Any], truth: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return p.argmax(axis=1) == truth


def _uar(p: npt.NDArray[Any], truth: npt.NDArray[Any], uncertainty: npt.NDArray[Any]) -> float:
    return score(truth, p.argmax(axis=1), p.shape[1]).uar


def _area(p: npt.NDArray[Any], truth: npt.NDArray[Any], uncertainty: npt.NDArray[Any]) -> float:
    return risk_coverage(uncertainty, _correct(p, truth)).area


def _errors_found(
    p: npt.NDArray[Any], truth: npt.NDArray[Any], uncertainty: npt.NDArray[Any]
) -> float:
    correct = _correct(p, truth)
    if correct.all() or not correct.any():
        return np.nan
    return auroc(uncertainty[correct], uncertainty[~correct])


def _gain(p: npt.NDArray[Any], truth: npt.NDArray[Any], uncertainty: npt.NDArray[Any]) -> float:
    correct = _correct(p, truth)
    accuracy = correct.mean()
    return accuracy_at(uncertainty, correct, COVERAGE) / accuracy - 1 if accuracy else np.nan


MEASURES: dict[str, Measured] = {
    "UAR": _uar,
    "NLL": lambda p, truth, _: negative_log_likelihood(p, truth),
    "Brier": lambda p, truth, _: brier(p, truth),
    "ECE": lambda p, truth, _: reliability(p, truth).ece,
    "adaptive ECE": lambda p, truth, _: adaptive_calibration_error(p, truth),
    "classwise ECE": lambda p, truth, _: classwise_calibration_error(p, truth),
    "AURC": _area,
    "errors found": _errors_found,
    "gain": _gain,
}
"""Measures by name.

Each is a function of probabilities ``(clips, classes)``, true class numbers ``(clips,)`` and
uncertainties ``(clips,)``. ``errors found`` is the AUROC of separating wrong from correct
predictions by their uncertainty. ``gain`` is the relative gain in accuracy from abstaining on the
most uncertain quarter of the clips.
"""


def measure_methods(
    answers: pd.DataFrame, classes: Sequence[str], uncertainty: str = "total"
) -> dict[str, dict[str, Interval]]:
    """Compute all measures of every method, with confidence intervals over speakers.

    Args:
        answers: tables of :meth:`serkit.studies.uncertainty_study.UncertaintyStudy.write`, of all
            folds and seeds.
        classes: names of all classes.
        uncertainty: column that holds the uncertainty of each prediction.

    Returns:
        For each method, in the order of the table, the measures by name.
    """
    found = {}
    for method, rows in _known(answers).groupby("method", sort=False):
        columns = known_columns(rows, classes, uncertainty)
        found[method] = {
            name: bootstrap_interval(
                partial(_of_clips, measure, columns), list(rows["speaker"]), seed=0
            )
            for name, measure in MEASURES.items()
        }
    return found


def differences(
    answers: pd.DataFrame, classes: Sequence[str], first: str, second: str, measure: str
) -> Interval:
    """Compute a measure of ``second`` minus that of ``first``, with an interval over speakers.

    Args:
        answers: as for :func:`measure_methods`.
        classes: names of all classes.
        first: name of a method.
        second: name of another method.
        measure: key of :data:`MEASURES`.
    """
    known, of = _known(answers), MEASURES[measure]
    one, other = (known[known["method"] == method] for method in (first, second))
    before, after = (known_columns(rows, classes) for rows in (one, other))

    def difference(clips: npt.NDArray[Any]) -> float:
        return _of_clips(of, after, clips) - _of_clips(of, before, clips)

    return bootstrap_interval(difference, list(one["speaker"]), seed=0)


def ood_detection(answers: pd.DataFrame, uncertainty: str = "total") -> dict[str, dict[str, float]]:
    """Compute the AUROC of OOD detection for each kind of OOD input, as mean over folds and seeds.

    Args:
        answers: as for :func:`measure_methods`.
        uncertainty: column that should be higher for OOD inputs than for test clips: ``total``,
            ``epistemic`` or ``strangeness``.

    Returns:
        For each method, the AUROC by kind of OOD input.
    """
    kinds = [kind for kind in answers["kind"].unique() if kind != "known"]

    def detected(rows: pd.DataFrame, kind: str) -> float:
        folds = [fold.set_index("kind")[uncertainty] for _, fold in rows.groupby(["seed", "fold"])]
        return float(np.mean([auroc(fold.loc[["known"]], fold.loc[[kind]]) for fold in folds]))

    methods = answers.groupby("method", sort=False)
    return {name: {kind: detected(rows, kind) for kind in kinds} for name, rows in methods}


def known_columns(
    answers: pd.DataFrame, classes: Sequence[str], uncertainty: str = "total"
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """Return the predictions for the test clips as arrays.

    Args:
        answers: rows of one method, as for :func:`measure_methods`.
        classes: names of all classes.
        uncertainty: column that holds the uncertainty of each prediction.

    Returns:
        Probabilities ``(clips, classes)``, true class numbers ``(clips,)`` and uncertainties
        ``(clips,)``.
    """
    rows, numbers = _known(answers), {label: number for number, label in enumerate(classes)}
    probabilities = rows[[f"p_{label}" for label in classes]].to_numpy()
    return probabilities, rows["truth"].map(numbers).to_numpy(), rows[uncertainty].to_numpy()


def _known(answers: pd.DataFrame) -> pd.DataFrame:
    return answers[answers["kind"] == "known"]


def _of_clips(
    measure: Measured, columns: Sequence[npt.NDArray[Any]], clips: npt.NDArray[Any]
) -> float:
    probabilities, truth, uncertainty = columns
    return measure(probabilities[clips], truth[clips], uncertainty[clips])


_DETECTORS = {
    "total": "total uncertainty",
    "epistemic": "epistemic uncertainty",
    "strangeness": "feature density",
}
_OF_TWINS = ("UAR", "adaptive ECE")
_PLAIN = ("NLL", "Brier", "AURC", "errors found")


def uncertainty_report(answers: pd.DataFrame, classes: Sequence[str]) -> str:
    """Return Markdown tables of measures, differences from twins, and OOD detection.

    Arguments are as for :func:`measure_methods`.
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
    for column, name in _DETECTORS.items():
        found = ood_detection(answers, column)
        kinds = list(next(iter(found.values())))
        rows = [[m, *(f"{values[kind]:.2f}" for kind in kinds)] for m, values in found.items()]
        if kinds:
            text.append(markdown_table([f"OOD inputs detected by {name}", *kinds], rows))
    return "\n".join(text)


def _head(name: str) -> str:
    return name if name in _PLAIN else f"{name}, %"


def _shown(name: str, found: Interval) -> str:
    if name not in _PLAIN:
        return str(found)
    if found.low is None:
        return f"{found.value:.2f}"
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"


def write_uncertainty_figures(
    answers: pd.DataFrame, classes: Sequence[str], folder: Path
) -> list[Path]:
    """Write reliability diagrams and risk-coverage curves.

    Each figure shows a method without a twin, and the methods whose twin it is.

    Args:
        answers: as for :func:`measure_methods`.
        classes: names of all classes.
        folder: folder for ``reliability-<network>.png`` and ``risk-coverage-<network>.png``, where
            ``<network>`` is the name of the method without a twin.

    Returns:
        Paths of the files.
    """
    written = []
    for network in answers.loc[answers["twin"] == "", "method"].unique():
        rows = answers[(answers["method"] == network) | (answers["twin"] == network)]
        reliable, answered = {}, {}
        for method, own in rows.groupby("method", sort=False):
            probabilities, truth, uncertainty = known_columns(own, classes)
            reliable[method] = asdict(reliability(probabilities, truth))
            answered[method] = risk_coverage(uncertainty, _correct(probabilities, truth))
        figures = {"reliability": calibration(reliable)}
        figures["risk-coverage"] = risk_coverage_curves(answered)
        for kind, figure in figures.items():
            written.append(folder / f"{kind}-{network.replace(' ', '-')}.png")
            with replacing(written[-1]) as partial:
                partial.write_bytes(png(figure))
    return written
