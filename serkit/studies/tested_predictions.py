"""Scores, temperature and threshold from predictions of clips of unseen speakers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from serkit.export.exportable_model import PredictionSettings
from serkit.metrics.calibration import softmax, uncertainty
from serkit.metrics.intervals import Group
from serkit.metrics.selective import threshold_for_coverage
from serkit.reporting.tables import groups_of_clips, measure_table, recall_table
from serkit.serialization import plain
from serkit.studies.deployment import calibration_scores
from serkit.uncertainty.temperature import best_temperature


class TestedPredictions:
    """Predictions of all clips by models that were not fitted on the clip's speaker.

    The temperature and the threshold for abstention are those of all predictions. Their effect is
    measured fold by fold with the temperature and the threshold of the other folds.

    Args:
        predictions: table of :meth:`serkit.studies.cross_validation.CrossValidation.predictions`.
        classes: class names in the order of the logits.
        coverage: fraction of clips on which the model does not abstain.
    """

    # pytest would take the class for a test.
    __test__ = False

    def __init__(self, predictions: pd.DataFrame, classes: Sequence[str], coverage: float) -> None:
        self._predictions, self._classes, self._coverage = predictions, tuple(classes), coverage
        names = [f"logit_{label}" for label in classes]
        self._logits = predictions[names].to_numpy(np.float64)
        self._truth = predictions["truth"].map(self._classes.index).to_numpy()
        self._folds = predictions["fold"].to_numpy()

    def prediction_settings(self, seed: int) -> PredictionSettings:
        """Return the temperature and the threshold of all predictions."""
        everything = np.ones(len(self._truth), bool)
        temperature, threshold = self._calibrate(everything)
        return PredictionSettings(temperature, max(threshold, 0.0), seed=seed)

    def groups(self) -> list[Group]:
        """Return the scores with intervals, of all clips, by corpus and by gender."""
        return groups_of_clips(self._predictions, self._classes)

    def tables(self) -> str:
        """Return the scores as Markdown tables, in per cent."""
        groups = self.groups()
        return f"{measure_table(groups)}\n{recall_table(groups, self._classes)}"

    def to_json(self) -> dict[str, Any]:
        """Return ``test`` and ``abstention`` for metrics.json and the model card.

        See :func:`serkit.studies.deployment.model_card_evidence`.
        """
        probabilities = np.empty_like(self._logits)
        is_covered = np.empty(len(self._truth), bool)
        for fold in np.unique(self._folds):
            of_fold = self._folds == fold
            temperature, threshold = self._calibrate(~of_fold)
            probabilities[of_fold] = softmax(self._logits[of_fold] / temperature)
            is_covered[of_fold] = _entropies(probabilities[of_fold]) <= threshold
        is_correct = probabilities.argmax(axis=1) == self._truth
        covered = float(is_correct[is_covered].mean()) if is_covered.any() else None
        return {
            "test": {
                "groups": [plain(group.to_json()) for group in self.groups()],
                "calibration": {
                    "without a temperature": calibration_scores(softmax(self._logits), self._truth),
                    "with it": calibration_scores(probabilities, self._truth),
                },
            },
            "abstention": {
                "chosen_on": "the other folds",
                "validation_coverage": self._coverage,
                "coverage": float(is_covered.mean()),
                "accuracy": covered,
                "accuracy_of_all": float(is_correct.mean()),
            },
        }

    def _calibrate(self, used: npt.NDArray[np.bool_]) -> tuple[float, float]:
        """Return the temperature, and the entropy above which to abstain, of some predictions."""
        temperature = best_temperature(self._logits[np.newaxis, used], self._truth[used])
        entropies = _entropies(softmax(self._logits[used] / temperature))
        return temperature, threshold_for_coverage(entropies, self._coverage)


def _entropies(probabilities: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return uncertainty(probabilities[np.newaxis]).total
