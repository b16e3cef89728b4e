"""Numbers, tables and figures of several predictors side by side."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from serkit.files import replacing
from serkit.formatting import markdown_table
from serkit.metrics.calibration import (
    adaptive_calibration_error,
    brier,
    classwise_calibration_error,
    negative_log_likelihood,
    reliability,
)
from serkit.metrics.classification import score
from serkit.metrics.intervals import Interval, speaker_interval
from serkit.metrics.selective import accuracy_at, auroc, risk_coverage
from serkit.reporting.comparison_figures import calibration, risk_coverage_curves
from serkit.reporting.page import png

COVERAGE = 0.75
"""Fraction of clips with a prediction where the classifier abstains on the most uncertain clips."""

Measured = Callable[[np.ndarray, np.ndarray, np.ndarray], float]


def _uar(probabilities: np.ndarray, truth: np.ndarray, unsure: np.ndarray) -> float:
    return score(truth, probabilities.argmax(axis=1), probabilities.shape[1]).uar


def _right(probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return probabilities.argmax(axis=1) == truth


def _gain(probabilities: np.ndarray, truth: np.ndarray, unsure: np.ndarray) -> float:
    right = _right(probabilities, truth)
    return accuracy_at(unsure, right, COVERAGE) / right.mean() - 1 if right.any() else np.nan


def _area(probabilities: np.ndarray, truth: np.ndarray, unsure: np.ndarray) -> float:
    return risk_coverage(unsure, _right(probabilities, truth)).area


def _errors_found(probabilities: np.ndarray, truth: np.ndarray, unsure: np.ndarray) -> float:
    right = _right(probabilities, truth)
    if right.all() or not right.any():
        return np.nan
    return auroc(unsure[right], unsure[~right])


MEASURES: dict[str, Measured] = {
    "UAR": _uar,
    "NLL": lambda p, truth, unsure: negative_log_likelihood(p, truth),
    "Brier": lambda p, truth, unsure: brier(p, truth),
    "ECE": lambda p, truth, unsure: reliability(p, truth).ece,
    "adaptive ECE": lambda p, truth, unsure: adaptive_calibration_error(p, truth),
    "classwise ECE": lambda p, truth, unsure: classwise_calibration_error(p, truth),
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
    answers: pd.DataFrame, classes: Sequence[str], unsure: str = "total"
) -> dict[str, dict[str, Interval]]:
    """Compute all measures of every method, with confidence intervals over speakers.

    Args:
        answers: tables of :meth:`serkit.studies.uncertainty_panel.Panel.keep`, of all folds and
            seeds.
        classes: names of all classes.
        unsure: column that holds the uncertainty of each prediction.

    Returns:
        For each method, in the order of the table, the measures by name.
    """
    found = {}
    for method, rows in _known(answers).groupby("method", sort=False):
        columns = known_columns(rows, classes, unsure)
        found[method] = {
            name: _interval(measure, *columns, rows["speaker"])
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
    sides = [known_columns(rows, classes) for rows in (one, other)]

    def less(clips: np.ndarray) -> float:
        here, there = (of(*(column[clips] for column in side)) for side in sides)
        return there - here

    return speaker_interval(less, one["speaker"].tolist(), seed=0)


def ood_detection(answers: pd.DataFrame, unsure: str = "total") -> dict[str, dict[str, float]]:
    """Compute the AUROC of OOD detection for each kind of OOD input, as mean over folds and seeds.

    Args:
        answers: as for :func:`measure_methods`.
        unsure: column that should be higher for OOD inputs than for test clips: ``total``,
            ``epistemic`` or ``strangeness``.

    Returns:
        For each method, the AUROC by kind of OOD input.
    """
    kinds = [kind for kind in answers["kind"].unique() if kind != "known"]
    found: dict[str, dict[str, float]] = {}
    for method, rows in answers.groupby("method", sort=False):
        folds = [fold for _, fold in rows.groupby(["seed", "fold"])]
        found[method] = {
            kind: float(
                np.mean(
                    [
                        auroc(
                            fold.loc[fold["kind"] == "known", unsure],
                            fold.loc[fold["kind"] == kind, unsure],
                        )
                        for fold in folds
                    ]
                )
            )
            for kind in kinds
        }
    return found


def known_columns(
    answers: pd.DataFrame, classes: Sequence[str], unsure: str = "total"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the predictions for the test clips as arrays.

    Args:
        answers: rows of one method, as for :func:`measure_methods`.
        classes: names of all classes.
        unsure: column that holds the uncertainty of each prediction.

    Returns:
        Probabilities ``(clips, classes)``, true class numbers ``(clips,)`` and uncertainties
        ``(clips,)``.
    """
    rows, place = _known(answers), {label: number for number, label in enumerate(classes)}
    probabilities = rows[[f"p_{label}" for label in classes]].to_numpy()
    return probabilities, rows["truth"].map(place).to_numpy(), rows[unsure].to_numpy()


def _known(answers: pd.DataFrame) -> pd.DataFrame:
    return answers[answers["kind"] == "known"]


def _interval(measure: Measured, probabilities, truth, unsure, speakers) -> Interval:
    return speaker_interval(
        lambda clips: measure(probabilities[clips], truth[clips], unsure[clips]),
        speakers.tolist(),
        seed=0,
    )


_FINDERS = {
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
    for unsure, name in _FINDERS.items():
        found = ood_detection(answers, unsure)
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
            chances, truth, unsure = known_columns(own, classes)
            reliable[method] = asdict(reliability(chances, truth))
            answered[method] = risk_coverage(unsure, chances.argmax(axis=1) == truth)
        figures = {"reliability": calibration(reliable)}
        figures["risk-coverage"] = risk_coverage_curves(answered)
        for kind, figure in figures.items():
            written.append(folder / f"{kind}-{network.replace(' ', '-')}.png")
            with replacing(written[-1]) as partial:
                partial.write_bytes(png(figure))
    return written
