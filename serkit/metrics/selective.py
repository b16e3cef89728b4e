"""Selective prediction: coverage, and the risk on the clips that are answered."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from serkit.errors import InputError, check_range


@dataclass(frozen=True)
class RiskCoverage:
    """Errors among those clips that are answered.

    Attributes:
        coverage: share of clips that are answered, rising to 1, ``(clips,)``.
        risk: share of errors among them.
        area: mean risk over all coverages (AURC), 0 to 1; lower is better.
    """

    coverage: np.ndarray
    risk: np.ndarray
    area: float


def risk_coverage(unsure: np.ndarray, right: np.ndarray) -> RiskCoverage:
    """Answer the surest clip, the two surest, and so on.

    Clips that are equally sure are answered in no order: they count as the mean over all orders.

    Args:
        unsure: any measure, higher for less sure, ``(clips,)``.
        right: whether each answer is right.

    Raises:
        InputError: if lengths differ, or there is nothing.

    Source: Geifman & El-Yaniv (2017), arXiv:1705.08500; Geifman et al. (2019), arXiv:1805.08206.
    """
    unsure, right = _checked(unsure, right)
    order = np.argsort(unsure, kind="stable")
    _, place, counts = np.unique(unsure[order], return_inverse=True, return_counts=True)
    wrong = np.bincount(place, weights=~right[order]) / counts
    errors = np.cumsum(wrong[place])
    answered = np.arange(1, len(right) + 1)
    risk = errors / answered
    return RiskCoverage(answered / len(right), risk, float(risk.mean()))


def accuracy_at(unsure: np.ndarray, right: np.ndarray, coverage: float) -> float:
    """Share of right answers among the surest ``coverage`` of the clips, above 0 to 1.

    Arguments and errors as for :func:`risk_coverage`.
    """
    check_range("coverage", coverage, 1e-9, 1.0)
    found = risk_coverage(unsure, right)
    return float(1.0 - found.risk[max(0, round(coverage * len(found.risk)) - 1)])


def auroc(lower: np.ndarray, higher: np.ndarray) -> float:
    """How often one of ``higher`` lies above one of ``lower``, ties counting half: 0 to 1.

    With how unsure right and wrong answers are, it is the AUROC of telling them apart; with that of
    known and strange recordings, of telling these apart.

    Raises:
        InputError: if one of them is empty, or holds no numbers.

    Source: Hendrycks & Gimpel (2017), arXiv:1610.02136.
    """
    lower, higher = np.asarray(lower, float), np.asarray(higher, float)
    if not len(lower) or not len(higher) or np.isnan(lower).any() or np.isnan(higher).any():
        raise InputError(f"{len(lower)} and {len(higher)} values; valid are numbers in both")
    ranks = stats.rankdata(np.concatenate([higher, lower]))[: len(higher)]
    return float((ranks.mean() - (len(higher) + 1) / 2) / len(lower))


def threshold_for_coverage(unsure: np.ndarray, coverage: float) -> float:
    """Above which to abstain so that about ``coverage`` of such clips are answered, 0 to 1.

    Args:
        unsure: of validation speakers' clips.
        coverage: share to be answered.

    Raises:
        InputError: if there is no clip, or ``coverage`` is out of range.
    """
    check_range("coverage", coverage, 0.0, 1.0)
    unsure = np.sort(np.asarray(unsure, float))
    if not len(unsure):
        raise InputError("no clips to choose a threshold on")
    answered = round(coverage * len(unsure))
    return float(unsure[answered - 1]) if answered else -np.inf


def threshold_for_accuracy(unsure: np.ndarray, right: np.ndarray, accuracy: float) -> float:
    """Above which to abstain so that ``accuracy`` of such answers are right, as many as can be.

    Args:
        unsure: of validation speakers' clips.
        right: whether each answer is right.
        accuracy: 0 to 1.

    Raises:
        InputError: if no threshold reaches it; says what the best one does.
    """
    check_range("accuracy", accuracy, 0.0, 1.0)
    unsure, right = _checked(unsure, right)
    values, place = np.unique(unsure, return_inverse=True)
    answered = np.cumsum(np.bincount(place))
    reached = np.cumsum(np.bincount(place, weights=right)) / answered
    if not (reached >= accuracy).any():
        raise InputError(
            f"accuracy={accuracy} is not reached at any threshold; valid is up to "
            f"{reached.max():.3f}"
        )
    return float(values[np.flatnonzero(reached >= accuracy)[-1]])


def _checked(unsure, right) -> tuple[np.ndarray, np.ndarray]:
    unsure, right = np.asarray(unsure, float), np.asarray(right, bool)
    if len(unsure) != len(right) or not len(right) or np.isnan(unsure).any():
        raise InputError(f"{len(unsure)} uncertainties of {len(right)} answers; valid are numbers")
    return unsure, right
