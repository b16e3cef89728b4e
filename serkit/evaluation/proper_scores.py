"""Scores of probabilities that nothing but the true ones would win."""

import numpy as np

from serkit.evaluation.calibration import check_predictions

# What a probability of 0 is taken for: the loss of a clip stays finite, at 27.6.
_LEAST = 1e-12


def negative_log_likelihood(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Mean over clips, in nats, 0 or more.

    Args:
        probabilities: ``(clips, classes)``, each row adding up to 1.
        truth: class numbers ``(clips,)``.

    Raises:
        InputError: if lengths differ or there are no clips.

    Source: Gneiting & Raftery (2007), section 4.1.
    """
    probabilities, truth = check_predictions(probabilities, truth)
    right = probabilities[np.arange(len(truth)), truth]
    return float(-np.log(np.maximum(right, _LEAST)).mean())


def brier(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Mean over clips of the squared distance from the truth, 0 to 2.

    Arguments and errors as for :func:`negative_log_likelihood`.

    Source: Brier (1950), Monthly Weather Review 78(1).
    """
    probabilities, truth = check_predictions(probabilities, truth)
    distance = probabilities - np.eye(probabilities.shape[1])[truth]
    return float(np.square(distance).sum(axis=1).mean())
