"""What all ways to answer have in common."""

from typing import Protocol

import numpy as np

from serkit.evaluation.calibration import softmax


class Predictor(Protocol):
    """A way to answer several times.

    Sample number ``i`` is one network, the same for all clips, and given the predictor and the
    seed it depends on ``i`` alone: not on how many samples are taken, nor on what a clip is
    predicted together with.
    """

    def predict_logits(self, x: np.ndarray, n: int = 30, seed: int = 0) -> np.ndarray:
        """Answer.

        Args:
            x: float32 ``(clips, frames, bins, 1)`` in [-1, 1].
            n: how many samples are wanted, at least 1. Predictors that have a number of their own,
                networks that always answer the same, and ensembles, give that many.
            seed: of the samples.

        Returns:
            float32 logits ``(samples, clips, classes)``.
        """
        ...


def predict_samples(predictor: Predictor, x: np.ndarray, n: int = 30, seed: int = 0) -> np.ndarray:
    """Probabilities of each sample, float64 ``(samples, clips, classes)``.

    Arguments as for :meth:`Predictor.predict_logits`. Their mean over samples is the answer; see
    :mod:`serkit.evaluation.uncertainty` for what the differences between them mean.
    """
    return softmax(predictor.predict_logits(x, n, seed).astype(np.float64))
