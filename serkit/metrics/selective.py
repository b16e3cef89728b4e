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


def risk_coverage(uncertainty: npt.ArrayLike, is_correct: npt.ArrayLike) -> RiskCoverage:
    """Compute the risk-coverage curve, from the clip with the lowest uncertainty to all clips.

    For clips of equal uncertainty the risk is the mean over all their orders.

    Args:
        uncertainty: any measure of uncertainty of each prediction, ``(clips,)``.
        is_correct: whether each prediction is correct, ``(clips,)``.

    Returns:
        Risk at each coverage, and the mean risk.

    Raises:
        InputError: if lengths differ, there are no clips, or an uncertainty is NaN.

    Source: Geifman & El-Yaniv (2017), arXiv:1705.08500; Geifman et al. (2019), arXiv:1805.08206.

    Example:
        >>> from serkit import metrics
        >>> curve = metrics.risk_coverage([0.1, 0.2, 0.9, 0.5], [True, True, False, True])
        >>> curve.risk.tolist()
        [0.0, 0.0, 0.0, 0.25]
    """
    uncertainty, is_correct = _validated_arrays(uncertainty, is_correct)
    order = np.argsort(uncertainty, kind="stable")
    # A group holds the clips of equal uncertainty.
    _, group_index, group_sizes = np.unique(
        uncertainty[order], return_inverse=True, return_counts=True
    )
    error_rates = np.bincount(group_index, weights=~is_correct[order]) / group_sizes
    expected_errors = np.cumsum(error_rates[group_index])
    answered_counts = np.arange(1, len(is_correct) + 1)
    risk = expected_errors / answered_counts
    return RiskCoverage(answered_counts / len(is_correct), risk, float(risk.mean()))


def accuracy_at(uncertainty: npt.ArrayLike, is_correct: npt.ArrayLike, coverage: float) -> float:
    """Compute the accuracy on the fraction ``coverage`` of clips with the lowest uncertainty.

    ``coverage`` is above 0 and at most 1; InputError is raised if it is out of range. The other
    arguments and errors are as for :func:`risk_coverage`.
    """
    check_range("coverage", coverage, 1e-9, 1.0)
    risk = risk_coverage(uncertainty, is_correct).risk
    answered_count = max(1, round(coverage * len(risk)))
    return float(1.0 - risk[answered_count - 1])


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


def threshold_for_coverage(uncertainty: npt.ArrayLike, coverage: float) -> float:
    """Choose the uncertainty above which to abstain, for a given coverage.

    Args:
        uncertainty: uncertainties of the validation speakers' clips, ``(clips,)``.
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
    sorted_uncertainty = np.sort(np.asarray(uncertainty, float))
    if not len(sorted_uncertainty):
        raise InputError("`uncertainty` must hold 1 or more values. Received: 0.")
    answered_count = round(coverage * len(sorted_uncertainty))
    return float(sorted_uncertainty[answered_count - 1]) if answered_count else -np.inf


def threshold_for_accuracy(
    uncertainty: npt.ArrayLike, is_correct: npt.ArrayLike, accuracy: float
) -> float:
    """Choose the uncertainty above which to abstain, for a given accuracy on the other clips.

    The function returns the highest threshold that reaches the accuracy. It has the highest
    coverage.

    Args:
        uncertainty: uncertainties of the validation speakers' clips, ``(clips,)``.
        is_correct: whether each prediction is correct, ``(clips,)``.
        accuracy: the accuracy to reach, 0 to 1.

    Raises:
        InputError: if no threshold reaches the accuracy; the message gives the highest accuracy
            that a threshold reaches. Also if ``accuracy`` is out of range, lengths differ, there
            are no clips, or an uncertainty is NaN.
    """
    check_range("accuracy", accuracy, 0.0, 1.0)
    uncertainty, is_correct = _validated_arrays(uncertainty, is_correct)
    thresholds, threshold_index = np.unique(uncertainty, return_inverse=True)
    answered_counts = np.cumsum(np.bincount(threshold_index))
    correct_counts = np.cumsum(np.bincount(threshold_index, weights=is_correct))
    accuracies = correct_counts / answered_counts
    if not (accuracies >= accuracy).any():
        raise InputError(
            f"`accuracy` must be at most {accuracies.max():.3f}, which the best threshold reaches. "
            f"Received: accuracy={accuracy}."
        )
    return float(thresholds[np.flatnonzero(accuracies >= accuracy)[-1]])


def _validated_arrays(uncertainty, is_correct) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    uncertainty, is_correct = np.asarray(uncertainty, float), np.asarray(is_correct, bool)
    n_nan = np.isnan(uncertainty).sum()
    if len(uncertainty) != len(is_correct) or not len(is_correct) or n_nan:
        raise InputError(
            "`uncertainty` and `is_correct` must have the same length, at least 1, and no NaN. "
            f"Received: {len(uncertainty)} and {len(is_correct)}, {n_nan} NaN."
        )
    return uncertainty, is_correct
