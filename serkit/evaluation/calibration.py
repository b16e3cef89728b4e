"""Whether probabilities mean what they say."""

from dataclasses import dataclass

import numpy as np

from serkit.errors import InputError, check_range


@dataclass(frozen=True)
class Reliability:
    """How often a classifier was right, by how sure it was.

    Attributes:
        confidence: mean of the highest probability in each bin; None for an empty one.
        accuracy: share of clips that were right in each bin; None for an empty one.
        counts: clips in each bin.
        ece: expected calibration error: the mean distance of the two, weighted by clips, 0 to 1.
    """

    confidence: tuple[float | None, ...]
    accuracy: tuple[float | None, ...]
    counts: tuple[int, ...]
    ece: float


def reliability(probabilities: np.ndarray, truth: np.ndarray, bins: int = 10) -> Reliability:
    """Compare how sure a classifier was with how often it was right.

    Args:
        probabilities: ``(clips, classes)``, each row adding up to 1.
        truth: class numbers ``(clips,)``.
        bins: of equal width, of the highest probability.

    Raises:
        InputError: if lengths differ or there are no clips.

    Source: Guo et al. (2017), arXiv:1706.04599.
    """
    check_range("bins", bins, 1)
    probabilities, truth = check_predictions(probabilities, truth)
    sure = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    place = np.clip(np.ceil(sure * bins).astype(int) - 1, 0, bins - 1)
    counts = np.bincount(place, minlength=bins)
    sums = [np.bincount(place, weights=values, minlength=bins) for values in (sure, right)]
    confidence, accuracy = (
        tuple(float(s / c) if c else None for s, c in zip(total, counts, strict=True))
        for total in sums
    )
    ece = float(np.abs(sums[0] - sums[1]).sum() / len(truth))
    return Reliability(confidence, accuracy, tuple(map(int, counts)), ece)


def adaptive_calibration_error(
    probabilities: np.ndarray, truth: np.ndarray, bins: int = 10
) -> float:
    """Expected calibration error over bins of as many clips each, 0 to 1.

    Bins of equal width leave some nearly empty, and what is in one of few clips is mostly chance.
    Arguments and errors as for :func:`reliability`; of fewer clips than bins each is its own.

    Source: Nixon et al. (2019), arXiv:1904.01685.
    """
    check_range("bins", bins, 1)
    probabilities, truth = check_predictions(probabilities, truth)
    sure = probabilities.max(axis=1)
    gap = sure - (probabilities.argmax(axis=1) == truth)
    parts = np.array_split(gap[np.argsort(sure, kind="stable")], min(bins, len(gap)))
    return float(sum(abs(part.sum()) for part in parts) / len(gap))


def classwise_calibration_error(
    probabilities: np.ndarray, truth: np.ndarray, bins: int = 10
) -> float:
    """Mean over classes of how far a class's probability lies from how often it is true, 0 to 1.

    The highest probability can mean what it says while those of single classes do not. Bins are of
    equal width. Arguments and errors as for :func:`reliability`.

    Source: Kull et al. (2019), arXiv:1910.12656.
    """
    check_range("bins", bins, 1)
    probabilities, truth = check_predictions(probabilities, truth)
    place = np.clip(np.ceil(probabilities * bins).astype(int) - 1, 0, bins - 1)
    errors = []
    for number in range(probabilities.shape[1]):
        gap = probabilities[:, number] - (truth == number)
        errors.append(np.abs(np.bincount(place[:, number], weights=gap)).sum() / len(truth))
    return float(np.mean(errors))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of logits ``(…, classes)``; NaN, for a class that was not known, becomes 0."""
    shifted = np.where(np.isnan(logits), -np.inf, logits)
    shifted = np.exp(shifted - shifted.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def check_predictions(probabilities, truth) -> tuple[np.ndarray, np.ndarray]:
    """Both as arrays.

    Raises:
        InputError: if lengths differ or there are no clips.
    """
    probabilities, truth = np.asarray(probabilities, float), np.asarray(truth, int)
    if len(probabilities) != len(truth) or not len(truth):
        raise InputError(f"{len(probabilities)} predictions of {len(truth)} clips")
    return probabilities, truth
