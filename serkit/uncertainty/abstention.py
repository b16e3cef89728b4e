"""Abstention: mark clips whose predictions are too uncertain."""

from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from serkit.datasets.splits import Speakers
from serkit.errors import InputError, check_choice, check_range
from serkit.metrics.calibration import Uncertainty, uncertainty
from serkit.metrics.selective import threshold_for_accuracy, threshold_for_coverage
from serkit.training.batches import Source
from serkit.training.examples import Examples
from serkit.uncertainty.predictors import Predictor, predict_samples

AnyPredictor = TypeVar("AnyPredictor", bound=Predictor)

MEASURES = ("total", "aleatoric", "epistemic")
"""Fields of :class:`serkit.metrics.calibration.Uncertainty`."""


@dataclass(frozen=True)
class SelectivePredictions:
    """Predictions for all clips, with a mark where to abstain.

    Attributes:
        probabilities: class probabilities, the mean over Monte Carlo samples, float64
            ``(clips, classes)``.
        uncertainty: uncertainty of each prediction, in nats.
        abstain: whether to abstain, bool ``(clips,)``.
    """

    probabilities: npt.NDArray[Any]
    uncertainty: Uncertainty
    abstain: npt.NDArray[Any]


@dataclass(frozen=True)
class SelectivePredictor(Generic[AnyPredictor]):
    """A predictor with an uncertainty threshold.

    It predicts every clip and marks those on which to abstain.

    Attributes:
        predictor: the predictor.
        threshold: uncertainty in nats above which to abstain.
        measure: measure of uncertainty, one of :data:`MEASURES`.
        n: number of Monte Carlo samples per clip, at least 1; ignored by ensembles.
        seed: seed of the Monte Carlo samples.

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

    def predict(self, x: Source) -> SelectivePredictions:
        """Predict clips, and mark those whose uncertainty is above the threshold.

        Args:
            x: float32 ``(clips, frames, bins, 1)`` in [-1, 1].

        Returns:
            Predictions for all clips.

        Raises:
            InputError: if ``n`` is below 1 for a predictor that uses it, or probabilities are not
                finite.
        """
        samples = predict_samples(self.predictor, x, self.n, self.seed)
        measures = uncertainty(samples)
        return SelectivePredictions(
            probabilities=samples.mean(axis=0),
            uncertainty=measures,
            abstain=getattr(measures, self.measure) > self.threshold,
        )


def check_one_target(coverage: float | None, accuracy: float | None) -> None:
    """Check that a threshold is chosen either by ``coverage`` or by ``accuracy``.

    Raises:
        InputError: if both are None or neither is, or if the one given is not 0.01 to 1.
    """
    if (coverage is None) == (accuracy is None):
        raise InputError(
            "Exactly one of `coverage` and `accuracy` must be given. "
            f"Received: coverage={coverage!r}, accuracy={accuracy!r}."
        )
    for name, value in (("coverage", coverage), ("accuracy", accuracy)):
        if value is not None:
            check_range(name, value, 0.01, 1.0)


def choose_threshold(
    predictor: AnyPredictor,
    validation: Examples,
    speakers: Speakers,
    *,
    coverage: float | None = None,
    accuracy: float | None = None,
    measure: str = "total",
    n: int = 30,
    seed: int = 0,
) -> SelectivePredictor[AnyPredictor]:
    """Choose the threshold for abstention on validation speakers.

    The threshold meets the request on the validation clips, coverage approximately. For other
    speakers coverage and accuracy differ; accuracy is usually lower, because the threshold was
    selected on these clips.

    Args:
        predictor: the predictor.
        validation: real examples; ``accuracy`` needs their labels.
        speakers: speakers of each partition of the split.
        coverage: fraction of clips without abstention, 0 to 1; give this or ``accuracy``.
        accuracy: fraction of correct predictions among clips without abstention, 0 to 1. The
            threshold is the highest that reaches this accuracy.
        measure: measure of uncertainty, one of :data:`MEASURES`.
        n: number of Monte Carlo samples per clip, at least 1; ignored by ensembles.
        seed: seed of the Monte Carlo samples.

    Returns:
        The predictor with the threshold; minus infinity, which means abstention from all clips, if
        ``coverage`` rounds to no clip.

    Raises:
        LeakError: if ``validation`` has a speaker who is not a validation speaker.
        InputError: if not exactly one of ``coverage`` and ``accuracy`` is given, a value is out of
            range, ``measure`` is not known, there are no clips, ``accuracy`` is given without
            labels, or no threshold reaches it.
    """
    speakers.require_validation(validation.speakers)
    check_one_target(coverage, accuracy)
    never_abstaining = SelectivePredictor(predictor, np.inf, measure, n, seed)
    predictions = never_abstaining.predict(validation.spectrograms)
    measured_uncertainty = getattr(predictions.uncertainty, measure)
    if accuracy is None:
        assert coverage is not None
        threshold = threshold_for_coverage(measured_uncertainty, coverage)
    else:
        is_correct = predictions.probabilities.argmax(axis=1) == validation.class_numbers
        threshold = threshold_for_accuracy(measured_uncertainty, is_correct, accuracy)
    return replace(never_abstaining, threshold=threshold)
