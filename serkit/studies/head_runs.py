"""Fit a linear classifier of features on one arm of one fold."""

from dataclasses import asdict, replace
from typing import Any

import keras
import numpy as np

from serkit.models.linear_head import LinearHeadSettings, fit_linear_head
from serkit.studies.classifier_runs import ClassifierRun
from serkit.studies.comparison_settings import TUNED_HEAD
from serkit.training.examples import Examples


class HeadRun(ClassifierRun):
    """Task: fit a linear classifier, see :class:`serkit.studies.classifier_runs.ClassifierRun`.

    The fit is a closed form: every seed gives the same classifier.
    """

    def _method(self) -> dict[str, Any]:
        return {"head": asdict(self._head)}

    @property
    def _head(self) -> LinearHeadSettings:
        tuned = self.settings.tuned.get(TUNED_HEAD, LinearHeadSettings())
        assert isinstance(tuned, LinearHeadSettings)
        return replace(tuned, class_weights=self.data.arm.class_weights)

    def _fit(self, train: Examples, verbose: int) -> keras.Model:
        fold = self.data.fold
        return fit_linear_head(train, fold.split.speakers, len(fold.classes), self._head)

    def _training_accuracy(self, model: keras.Model, train: Examples) -> float:
        logits = model.predict(np.asarray(train.spectrograms), batch_size=64, verbose=0)
        return float(np.mean(logits.argmax(axis=1) == train.labels))
