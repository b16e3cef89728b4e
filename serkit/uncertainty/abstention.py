"""Abstain from uncertain predictions."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from serkit.datasets.splits import Speakers
from serkit.errors import InputError, check_choice
from serkit.metrics.calibration import Uncertainty, uncertainty
from serkit.metrics.selective import threshold_for_accuracy, threshold_for_coverage
from serkit.training.batches import Source
from serkit.training.examples import Examples
from serkit.uncertainty.predictors import Predictor, predict_samples

AnyPredictor = TypeVar("AnyPredictor", bound=Predictor)

MEASURES = ("total", "aleatoric", "epistemic")
"""Fields of :class:`serkit.metrics.calibration.Uncertainty`."""


@dataclass(frozen=True)
class Answers:
    """Predictions of a classifier for clips.

    Attributes:
        probabilities: class probabilities, the mean over samples, ``(clips, classes)``.
        uncertainty: uncertainty of each prediction, in nats.
        abstain: whether the classifier abstains, bool ``(clips,)``.
    """

    probabilities: npt.NDArray[Any]
    uncertainty: Uncertainty
    abstain: npt.NDArray[Any]


@dataclass(frozen=True)
class Abstaining(Generic[AnyPredictor]):
    """A predictor that abstains where its uncertainty is high.

    Attributes:
        predictor: the predictor.
        threshold: uncertainty in nats above which the predictor abstains.
        measure: measure of uncertainty, one of :data:`MEASURES`.
        n: number of samples.
        seed: seed of the samples.

    Raises:
        InputError: if ``measure`` is not known.
    """

    predictor: AnyPredictor
    threshold: float
    measure: str = "total"
    n: int = 30
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("measure", self.measure, MEASURES)

    def answer(self, x: Source) -> Answers:
        """Predict clips, and abstain where the uncertainty is above the threshold.

        Args:
            x: float32 ``(clips, frames, bins, 1)`` in [-1, 1].
        """
        samples = predict_samples(self.predictor, x, self.n, self.seed)
        measures = uncertainty(samples)
        return Answers(
            probabilities=samples.mean(axis=0),
            uncertainty=measures,
            abstain=getattr(measures, self.measure) > self.threshold,
        )


def require_one(coverage: float | None, accuracy: float | None) -> None:
    """Check that a threshold is chosen either by ``coverage`` or by ``accuracy``.

    Raises:
        InputError: if both are None or neither is.
    """
    if (coverage is None) == (accuracy is None):
        raise InputError(
            f"`coverage` or `accuracy` must be given, and not both. Received: {coverage!r} and "
            f"{accuracy!r}."
        )


def abstaining(
    predictor: AnyPredictor,
    validation: Examples,
    speakers: Speakers,
    *,
    coverage: float | None = None,
    accuracy: float | None = None,
    measure: str = "total",
    n: int = 30,
    seed: int = 0,
) -> Abstaining[AnyPredictor]:
    """Choose the threshold for abstention on validation speakers.

    The requested coverage or accuracy holds on average for speakers like the validation speakers.
    For other unseen speakers the coverage may be lower or higher.

    Args:
        predictor: the predictor.
        validation: real examples with labels.
        speakers: speakers of each partition of the split.
        coverage: fraction of clips without abstention; give this or ``accuracy``.
        accuracy: fraction of correct predictions among clips without abstention. The threshold is
            the highest that reaches this accuracy.
        measure: measure of uncertainty, one of :data:`MEASURES`.
        n: number of samples.
        seed: seed of the samples.

    Raises:
        LeakError: if ``validation`` has a speaker who is not a validation speaker.
        InputError: if not exactly one of ``coverage`` and ``accuracy`` is given, there are no
            labels, or no threshold reaches the accuracy.
    """
    speakers.require_validation(validation.speakers)
    require_one(coverage, accuracy)
    if validation.labels is None:
        raise InputError("`validation` must have labels, a class number for each example.")
    never_abstaining = Abstaining(predictor, np.inf, measure, n, seed)
    answers = never_abstaining.answer(validation.spectrograms)
    measured_uncertainty = getattr(answers.uncertainty, measure)
    if accuracy is None:
        assert coverage is not None
        threshold = threshold_for_coverage(measured_uncertainty, coverage)
    else:
        is_correct = answers.probabilities.argmax(axis=1) == validation.labels
        threshold = threshold_for_accuracy(measured_uncertainty, is_correct, accuracy)
    return Abstaining(predictor, threshold, measure, n, seed)
