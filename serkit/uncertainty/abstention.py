"""Abstain from uncertain predictions."""

from dataclasses import dataclass

import numpy as np

from serkit.datasets.splits import Speakers
from serkit.errors import InputError, check_choice
from serkit.metrics.calibration import Uncertainty, uncertainty
from serkit.metrics.selective import threshold_for_accuracy, threshold_for_coverage
from serkit.training.examples import Examples
from serkit.uncertainty.predictors import Predictor, predict_samples

MEASURES = ("total", "aleatoric", "epistemic")
"""Fields of :class:`serkit.metrics.calibration.Uncertainty`."""


@dataclass(frozen=True)
class Answers:
    """What a classifier says about each clip.

    Attributes:
        probabilities: mean over samples, ``(clips, classes)``.
        uncertainty: how unsure it is, in nats.
        abstain: whether it would rather not answer, ``(clips,)``.
    """

    probabilities: np.ndarray
    uncertainty: Uncertainty
    abstain: np.ndarray


@dataclass(frozen=True)
class Abstaining:
    """A predictor that does not answer what it is too unsure about.

    Attributes:
        predictor: any.
        threshold: in nats; it abstains above.
        measure: of :data:`MEASURES`, which it goes by.
        n: samples of the predictor.
        seed: of them.

    Raises:
        InputError: if ``measure`` is not known.
    """

    predictor: Predictor
    threshold: float
    measure: str = "total"
    n: int = 30
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("measure", self.measure, MEASURES)

    def answer(self, x: np.ndarray) -> Answers:
        """Answer clips.

        Args:
            x: float32 ``(clips, frames, bins, 1)`` in [-1, 1].
        """
        samples = predict_samples(self.predictor, x, self.n, self.seed)
        found = uncertainty(samples)
        return Answers(samples.mean(axis=0), found, getattr(found, self.measure) > self.threshold)


def abstaining(
    predictor: Predictor,
    validation: Examples,
    speakers: Speakers,
    *,
    coverage: float | None = None,
    accuracy: float | None = None,
    measure: str = "total",
    n: int = 30,
    seed: int = 0,
) -> Abstaining:
    """Choose on validation speakers when to abstain.

    Strangers are answered less or more often than validation speakers: what was asked for holds for
    people like these, on average.

    Args:
        predictor: any.
        validation: real examples with labels.
        speakers: who is in which part of the split.
        coverage: share of such clips that is to be answered, or
        accuracy: share of answers that are to be right, as many as can be.
        measure: of :data:`MEASURES`, which it goes by.
        n: samples of the predictor.
        seed: of them.

    Raises:
        LeakError: if anybody's voice is in ``validation`` who is no validation speaker.
        InputError: if not one of ``coverage`` and ``accuracy`` is given, there are no labels, or no
            threshold reaches the accuracy.
    """
    speakers.require_validation(validation.speakers)
    if (coverage is None) == (accuracy is None):
        raise InputError(f"coverage={coverage!r}, accuracy={accuracy!r}; valid is one of the two")
    if validation.labels is None:
        raise InputError("validation has no labels; valid is a class number for each example")
    found = Abstaining(predictor, np.inf, measure, n, seed).answer(validation.spectrograms)
    unsure = getattr(found.uncertainty, measure)
    if coverage is not None:
        threshold = threshold_for_coverage(unsure, coverage)
    else:
        right = found.probabilities.argmax(axis=1) == validation.labels
        threshold = threshold_for_accuracy(unsure, right, accuracy)
    return Abstaining(predictor, threshold, measure, n, seed)
