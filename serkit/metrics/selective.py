"""Selective prediction: coverage, and the risk on the clips that are answered."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats
from sklearn.metrics import roc_auc_score

from serkit.errors import InputError, check_range


@dataclass(frozen=True)
class RiskCoverage:
    """Risk-coverage curve: the error rate on the clips for which a classifier does not abstain.

    Attributes:
        coverage: fraction of clips with a prediction, rising to 1, ``(clips,)``.
        risk: fraction of errors among these clips, ``(clips,)``.
        area: mean risk over all coverages (AURC), 0 to 1; lower is better.

    Example:
        >>> from serkit import metrics
        >>> metrics.risk_coverage([0.1, 0.9], [True, False]).coverage.tolist()
        [0.5, 1.0]
    """

    coverage: npt.NDArray[Any]
    risk: npt.NDArray[Any]
    area: float


def risk_coverage(unsure: npt.ArrayLike, right: npt.ArrayLike) -> RiskCoverage:
    """Compute the risk-coverage curve, from the clip with the lowest uncertainty to all clips.

    For clips of equal uncertainty the risk is the mean over all their orders.

    Args:
        unsure: any measure of uncertainty; higher values are less certain, ``(clips,)``.
        right: whether each prediction is correct, ``(clips,)``.

    Returns:
        Risk at each coverage, and the mean risk.

    Raises:
        InputError: if lengths differ, there are no clips, or an uncertainty is NaN.

    Source: Geifman & El-Yaniv (2017), arXiv:1705.08500; Geifman et al. (2019), arXiv:1805.08206.

    Example:
        >>> from serkit import metrics
        >>> found = metrics.risk_coverage([0.1, 0.2, 0.9, 0.5], [True, True, False, True])
        >>> found.risk.tolist()
        [0.0, 0.0, 0.0, 0.25]
    """
    unsure, right = _checked(unsure, right)
    order = np.argsort(unsure, kind="stable")
    _, place, counts = np.unique(unsure[order], return_inverse=True, return_counts=True)
    wrong = np.bincount(place, weights=~right[order]) / counts
    errors = np.cumsum(wrong[place])
    answered = np.arange(1, len(right) + 1)
    risk = errors / answered
    return RiskCoverage(answered / len(right), risk, float(risk.mean()))


def accuracy_at(unsure: npt.ArrayLike, right: npt.ArrayLike, coverage: float) -> float:
    """Compute the accuracy on the fraction ``coverage`` of clips with the lowest uncertainty.

    ``coverage`` is above 0 and at most 1; InputError is raised if it is out of range. The other
    arguments and errors are as for :func:`risk_coverage`.
    """
    check_range("coverage", coverage, 1e-9, 1.0)
    found = risk_coverage(unsure, right)
    return float(1.0 - found.risk[max(0, round(coverage * len(found.risk)) - 1)])


def auroc(lower: npt.ArrayLike, higher: npt.ArrayLike) -> float:
    """Compute the AUROC, 0 to 1, of separating ``higher`` from ``lower`` by their values.

    The AUROC is the fraction of pairs in which the value of ``higher`` is above that of ``lower``;
    ties count half. With the uncertainties of correct and wrong predictions it measures the
    detection of errors. With those of in-distribution and out-of-distribution recordings it
    measures OOD detection.

    Args:
        lower: values that should be low, ``(n,)``.
        higher: values that should be high, ``(m,)``.

    Returns:
        The AUROC; 0.5 if the values do not separate the two sets.

    Raises:
        InputError: if ``lower`` or ``higher`` is empty or holds NaN.

    Source: Hendrycks & Gimpel (2017), arXiv:1610.02136.

    Example:
        >>> from serkit import metrics
        >>> metrics.auroc([0.1, 0.4], [0.3, 0.8])
        0.75
    """
    lower, higher = np.asarray(lower, float), np.asarray(higher, float)
    if not len(lower) or not len(higher) or np.isnan(lower).any() or np.isnan(higher).any():
        raise InputError(
            "`lower` and `higher` must be numbers, one or more of each. "
            f"Received: {len(lower)} and {len(higher)} values, "
            f"{np.isnan(lower).sum() + np.isnan(higher).sum()} NaN."
        )
    is_higher = np.repeat([False, True], [len(lower), len(higher)])
    # scikit-learn takes no infinite values; their ranks give the same AUROC.
    return float(roc_auc_score(is_higher, stats.rankdata(np.concatenate([lower, higher]))))


def threshold_for_coverage(unsure: npt.ArrayLike, coverage: float) -> float:
    """Choose the uncertainty above which to abstain, for a given coverage.

    Args:
        unsure: uncertainties of the validation speakers' clips, ``(clips,)``.
        coverage: fraction of clips that get a prediction, approximately; 0 to 1.

    Returns:
        The threshold; minus infinity if no clip gets a prediction.

    Raises:
        InputError: if there is no clip, or ``coverage`` is out of range.

    Example:
        >>> from serkit import metrics
        >>> metrics.threshold_for_coverage([0.1, 0.2, 0.9, 0.5], coverage=0.75)
        0.5
    """
    check_range("coverage", coverage, 0.0, 1.0)
    unsure = np.sort(np.asarray(unsure, float))
    if not len(unsure):
        raise InputError("`unsure` must be of 1 or more clips. Received: 0.")
    answered = round(coverage * len(unsure))
    return float(unsure[answered - 1]) if answered else -np.inf


def threshold_for_accuracy(unsure: npt.ArrayLike, right: npt.ArrayLike, accuracy: float) -> float:
    """Choose the uncertainty above which to abstain, for a given accuracy on the other clips.

    Of all thresholds that reach the accuracy, the one with the highest coverage is chosen.

    Args:
        unsure: uncertainties of the validation speakers' clips, ``(clips,)``.
        right: whether each prediction is correct, ``(clips,)``.
        accuracy: wanted accuracy, 0 to 1.

    Raises:
        InputError: if no threshold reaches the accuracy; the message gives the highest accuracy
            that a threshold reaches. Also if ``accuracy`` is out of range, lengths differ, there
            are no clips, or an uncertainty is NaN.
    """
    check_range("accuracy", accuracy, 0.0, 1.0)
    unsure, right = _checked(unsure, right)
    values, place = np.unique(unsure, return_inverse=True)
    answered = np.cumsum(np.bincount(place))
    reached = np.cumsum(np.bincount(place, weights=right)) / answered
    if not (reached >= accuracy).any():
        raise InputError(
            f"`accuracy` must be at most {reached.max():.3f}, which the best threshold reaches. "
            f"Received: accuracy={accuracy}."
        )
    return float(values[np.flatnonzero(reached >= accuracy)[-1]])


def _checked(unsure, right) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    unsure, right = np.asarray(unsure, float), np.asarray(right, bool)
    if len(unsure) != len(right) or not len(right) or np.isnan(unsure).any():
        raise InputError(
            "`unsure` and `right` must be numbers of the same clips. "
            f"Received: {len(unsure)} and {len(right)}, {np.isnan(unsure).sum()} NaN."
        )
    return unsure, right
