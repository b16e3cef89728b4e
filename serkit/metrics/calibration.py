"""Calibration of probabilities, proper scoring rules, and measures of uncertainty."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from serkit.errors import InputError, check_range


@dataclass(frozen=True)
class Reliability:
    """Accuracy of a classifier by confidence (a reliability diagram).

    Attributes:
        confidence: mean of the highest probability in each bin; None for an empty bin.
        accuracy: fraction of correctly classified clips in each bin; None for an empty bin.
        counts: number of clips in each bin.
        ece: expected calibration error, 0 to 1: the mean absolute difference of confidence and
            accuracy over the bins, weighted by clips.

    Example:
        >>> from serkit import metrics
        >>> curve = metrics.reliability([[0.9, 0.1], [0.9, 0.1]], [0, 1], bins=2)
        >>> curve.counts
        (0, 2)
    """

    confidence: tuple[float | None, ...]
    accuracy: tuple[float | None, ...]
    counts: tuple[int, ...]
    ece: float


def reliability(probabilities: npt.ArrayLike, truth: npt.ArrayLike, bins: int = 10) -> Reliability:
    """Compare the confidence of a classifier with its accuracy.

    Args:
        probabilities: ``(clips, classes)``, each row adding up to 1.
        truth: class numbers ``(clips,)``.
        bins: number of bins of equal width for the highest probability, 1 or more.

    Returns:
        Confidence, accuracy and number of clips of each bin, and the calibration error.

    Raises:
        InputError: if lengths differ, there are no clips, or ``bins`` is below 1.

    Source: Guo et al. (2017), arXiv:1706.04599.

    Example:
        >>> from serkit import metrics
        >>> curve = metrics.reliability([[0.9, 0.1], [0.9, 0.1]], [0, 1], bins=2)
        >>> curve.confidence, curve.accuracy, round(curve.ece, 3)
        ((None, 0.9), (None, 0.5), 0.4)
    """
    check_range("bins", bins, 1)
    probabilities, truth = check_predictions(probabilities, truth)
    confidence = probabilities.max(axis=1)
    is_correct = probabilities.argmax(axis=1) == truth
    bin_index = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    counts = np.bincount(bin_index, minlength=bins)
    confidence_sums = np.bincount(bin_index, weights=confidence, minlength=bins)
    correct_counts = np.bincount(bin_index, weights=is_correct, minlength=bins)
    return Reliability(
        confidence=_bin_means(confidence_sums, counts),
        accuracy=_bin_means(correct_counts, counts),
        counts=tuple(map(int, counts)),
        ece=float(np.abs(confidence_sums - correct_counts).sum() / len(truth)),
    )


def _bin_means(sums: npt.NDArray[Any], counts: npt.NDArray[Any]) -> tuple[float | None, ...]:
    return tuple(
        float(total / count) if count else None for total, count in zip(sums, counts, strict=True)
    )


def adaptive_calibration_error(
    probabilities: npt.ArrayLike, truth: npt.ArrayLike, bins: int = 10
) -> float:
    """Compute the expected calibration error over bins of equal clip counts, 0 to 1.

    Some bins of equal width are nearly empty, and the error in a bin of few clips is mostly chance.
    With fewer clips than bins, each clip has its own bin.

    Args:
        probabilities: ``(clips, classes)``, each row adding up to 1.
        truth: class numbers ``(clips,)``.
        bins: number of bins, 1 or more.

    Returns:
        The error, 0 to 1; 0 is perfect.

    Raises:
        InputError: if lengths differ, there are no clips, or ``bins`` is below 1.

    Source: Nixon et al. (2019), arXiv:1904.01685.

    Example:
        >>> from serkit import metrics
        >>> round(metrics.adaptive_calibration_error([[0.9, 0.1], [0.9, 0.1]], [0, 1], bins=1), 3)
        0.4
    """
    check_range("bins", bins, 1)
    probabilities, truth = check_predictions(probabilities, truth)
    confidence = probabilities.max(axis=1)
    gaps = confidence - (probabilities.argmax(axis=1) == truth)
    sorted_gaps = gaps[np.argsort(confidence, kind="stable")]
    gaps_by_bin = np.array_split(sorted_gaps, min(bins, len(gaps)))
    return float(sum(abs(bin_gaps.sum()) for bin_gaps in gaps_by_bin) / len(gaps))


def classwise_calibration_error(
    probabilities: npt.ArrayLike, truth: npt.ArrayLike, bins: int = 10
) -> float:
    """Compute the mean over classes of each class's expected calibration error, 0 to 1.

    The highest probability can be calibrated while the probabilities of single classes are not.
    Bins are of equal width.

    Args:
        probabilities: ``(clips, classes)``, each row adding up to 1.
        truth: class numbers ``(clips,)``.
        bins: number of bins, 1 or more.

    Returns:
        The error, 0 to 1; 0 is perfect.

    Raises:
        InputError: if lengths differ, there are no clips, or ``bins`` is below 1.

    Source: Kull et al. (2019), arXiv:1910.12656.

    Example:
        >>> from serkit import metrics
        >>> round(metrics.classwise_calibration_error([[0.9, 0.1], [0.9, 0.1]], [0, 1], bins=1), 3)
        0.4
    """
    check_range("bins", bins, 1)
    probabilities, truth = check_predictions(probabilities, truth)
    bin_index = np.clip(np.ceil(probabilities * bins).astype(int) - 1, 0, bins - 1)
    errors = []
    for class_number in range(probabilities.shape[1]):
        gaps = probabilities[:, class_number] - (truth == class_number)
        gap_sums = np.bincount(bin_index[:, class_number], weights=gaps)
        errors.append(np.abs(gap_sums).sum() / len(truth))
    return float(np.mean(errors))


def softmax(logits: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Convert logits ``(…, classes)`` to probabilities.

    A NaN logit stands for a class that the classifier does not know. Its probability is 0.
    """
    logits = np.where(np.isnan(logits), -np.inf, logits)
    # Subtracting the largest logit keeps the exponentials from overflowing.
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def check_predictions(
    probabilities: npt.ArrayLike, truth: npt.ArrayLike
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return probabilities as a float array and class numbers as an int array.

    Raises:
        InputError: if lengths differ or there are no clips.
    """
    probabilities, truth = np.asarray(probabilities, float), np.asarray(truth, int)
    if len(probabilities) != len(truth) or not len(truth):
        raise InputError(
            "`probabilities` and `truth` must have the same length, at least 1. "
            f"Received: {len(probabilities)} and {len(truth)}."
        )
    return probabilities, truth


# Lower limit of probabilities in the logarithm. It keeps the loss of a clip finite, at most 27.6.
_MIN_PROBABILITY = 1e-12


def negative_log_likelihood(probabilities: npt.ArrayLike, truth: npt.ArrayLike) -> float:
    """Compute the mean negative log-likelihood over clips, in nats, 0 or more.

    Args:
        probabilities: ``(clips, classes)``, each row adding up to 1.
        truth: class numbers ``(clips,)``.

    Returns:
        The mean over clips; lower is better.

    Raises:
        InputError: if lengths differ or there are no clips.

    Source: Gneiting & Raftery (2007), section 4.1.

    Example:
        >>> from serkit import metrics
        >>> round(metrics.negative_log_likelihood([[0.5, 0.5], [0.1, 0.9]], [0, 1]), 3)
        0.399
    """
    probabilities, truth = check_predictions(probabilities, truth)
    probability_of_truth = probabilities[np.arange(len(truth)), truth]
    return float(-np.log(np.maximum(probability_of_truth, _MIN_PROBABILITY)).mean())


def brier(probabilities: npt.ArrayLike, truth: npt.ArrayLike) -> float:
    """Compute the Brier score: the mean squared distance to the one-hot truth, 0 to 2.

    Args:
        probabilities: ``(clips, classes)``, each row adding up to 1.
        truth: class numbers ``(clips,)``.

    Returns:
        The score; lower is better.

    Raises:
        InputError: if lengths differ or there are no clips.

    Source: Brier (1950), Monthly Weather Review 78(1).

    Example:
        >>> from serkit import metrics
        >>> round(metrics.brier([[0.5, 0.5], [0.1, 0.9]], [0, 1]), 3)
        0.26
    """
    probabilities, truth = check_predictions(probabilities, truth)
    one_hot = np.eye(probabilities.shape[1])[truth]
    return float(np.square(probabilities - one_hot).sum(axis=1).mean())


@dataclass(frozen=True)
class Uncertainty:
    """Uncertainty of each clip in nats, from 0 to the logarithm of the number of classes.

    Attributes:
        total: predictive entropy: the entropy of the mean probabilities, ``(clips,)``.
        aleatoric: expected entropy: the mean entropy of the samples, ``(clips,)``. It comes from
            ambiguity of the recording and does not depend on the network.
        epistemic: mutual information: ``total`` minus ``aleatoric``, ``(clips,)``. It comes from
            disagreement between the networks, and more training recordings would reduce it.
    """

    total: npt.NDArray[Any]
    aleatoric: npt.NDArray[Any]
    epistemic: npt.NDArray[Any]


def uncertainty(samples: npt.NDArray[Any]) -> Uncertainty:
    """Split the uncertainty of a classifier into aleatoric and epistemic uncertainty.

    Args:
        samples: probabilities ``(samples, clips, classes)``; each row adds up to 1.

    Returns:
        Total, aleatoric and epistemic uncertainty of each clip in nats.

    Raises:
        InputError: if ``samples`` has another shape, holds no sample or a negative probability, or
            if a row does not add up to 1.

    Source: Depeweg et al. (2018), arXiv:1710.07283; Houlsby et al. (2011), arXiv:1112.5745.

    Example:
        >>> import numpy as np
        >>> from serkit import metrics
        >>> result = metrics.uncertainty(np.array([[[1.0, 0.0]], [[0.0, 1.0]]]))
        >>> result.total.round(3), result.aleatoric.round(3), result.epistemic.round(3)
        (array([0.693]), array([0.]), array([0.693]))
    """
    samples = np.asarray(samples, np.float64)
    if samples.ndim != 3 or not len(samples):
        raise InputError(
            "`samples` must have the shape (samples, clips, classes), one or more of each. "
            f"Received: {samples.shape}."
        )
    if not np.allclose(samples.sum(axis=-1), 1, atol=1e-4) or samples.min() < 0:
        row_sums = samples.sum(axis=-1)
        raise InputError(
            "`samples` must be probabilities, and rows must add up to 1. "
            f"Received: sums from {row_sums.min():.4g} to {row_sums.max():.4g}, smallest value "
            f"{samples.min():.4g}."
        )
    total = _entropy(samples.mean(axis=0))
    aleatoric = _entropy(samples).mean(axis=0)
    # Entropy is concave, so that only rounding can make the difference negative.
    return Uncertainty(total, aleatoric, np.maximum(total - aleatoric, 0.0))


def _entropy(probabilities: npt.NDArray[Any]) -> npt.NDArray[Any]:
    # Where a probability is 0, its term of the entropy is 0.
    logarithms = np.log(np.where(probabilities > 0, probabilities, 1.0))
    return -(probabilities * logarithms).sum(axis=-1)
