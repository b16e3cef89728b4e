"""What ways to be unsure did, as numbers."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from serkit.evaluation.calibration import (
    adaptive_calibration_error,
    classwise_calibration_error,
    reliability,
)
from serkit.evaluation.intervals import Interval, speaker_interval
from serkit.evaluation.metrics import score
from serkit.evaluation.proper_scores import brier, negative_log_likelihood
from serkit.evaluation.selective import accuracy_at, auroc, risk_coverage

COVERAGE = 0.75
"""Share of clips that is answered where the surest alone are."""

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
"""Of probabilities ``(clips, classes)``, class numbers, and how unsure each answer is.

``errors found`` is the AUROC of telling wrong answers from right ones, ``gain`` the relative gain
in accuracy where the least sure quarter is not answered.
"""


def measure_methods(
    answers: pd.DataFrame, classes: Sequence[str], unsure: str = "total"
) -> dict[str, dict[str, Interval]]:
    """All measures of every method, with intervals over speakers.

    Args:
        answers: of :meth:`serkit.trials.panel.Panel.keep`, of all folds and seeds.
        classes: names of all classes.
        unsure: column by which answers are more or less sure.

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
    """How much more ``second`` measures than ``first``, on the same clips, over speakers.

    Args:
        answers: as for :func:`measure_methods`.
        classes: names of all classes.
        first: a method.
        second: another one.
        measure: of :data:`MEASURES`.
    """
    known, of = _known(answers), MEASURES[measure]
    one, other = (known[known["method"] == method] for method in (first, second))
    sides = [known_columns(rows, classes) for rows in (one, other)]

    def less(clips: np.ndarray) -> float:
        here, there = (of(*(column[clips] for column in side)) for side in sides)
        return there - here

    return speaker_interval(less, one["speaker"].tolist(), seed=0)


def strangers_found(answers: pd.DataFrame, unsure: str = "total") -> dict[str, dict[str, float]]:
    """AUROC of telling each kind of stranger from the test part, a mean over folds and seeds.

    Args:
        answers: as for :func:`measure_methods`.
        unsure: column that should be higher for strangers, ``total``, ``epistemic`` or
            ``strangeness``.

    Returns:
        For each method the kinds of strangers.
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
    """Probabilities ``(clips, classes)``, class numbers, and how unsure, of the test part.

    Args:
        answers: of one method, as for :func:`measure_methods`.
        classes: names of all classes.
        unsure: column by which answers are more or less sure.
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
