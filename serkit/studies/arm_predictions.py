"""Predictions of one arm for all test clips, and the measures of them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from serkit.augmentation.arms import Arm
from serkit.metrics.bootstrap import Measure, estimate
from serkit.metrics.calibration import reliability, softmax
from serkit.metrics.classification import (
    ConfusionBySpeaker,
    accuracy,
    average_recall,
    class_recalls,
    confusion_by_speaker,
    macro_f1,
)
from serkit.studies.classifier_runs import ClassifierRun

MEASURES: dict[str, Measure] = {"uar": average_recall, "macro_f1": macro_f1, "accuracy": accuracy}
"""Measures of an arm by name; the first is the main measure."""


def mean_recall(class_numbers: Sequence[int]) -> Measure:
    """Return a function that computes the mean recall of some classes from confusion matrices.

    The mean leaves out classes that have no clips; it is NaN if none of the classes has clips.
    """

    def measure(confusion: npt.NDArray[Any]) -> npt.NDArray[Any]:
        recalls = class_recalls(confusion)[..., list(class_numbers)]
        has_clips = ~np.isnan(recalls)
        total = np.where(has_clips, recalls, 0.0).sum(axis=-1)
        mean = total / np.maximum(has_clips.sum(axis=-1), 1)
        return np.where(has_clips.any(axis=-1), mean, np.nan)

    return measure


@dataclass(frozen=True)
class ArmPredictions:
    """Predictions of one classifier for all test clips of one protocol in one arm.

    Attributes:
        arm: an arm of the comparison.
        runs: training runs, ordered by seed and fold.
        classes: class names, in the order of the class numbers.
        rare: names of the classes that were filled up in at least one fold.
    """

    arm: Arm
    runs: Sequence[ClassifierRun]
    classes: Sequence[str]
    rare: Sequence[str]

    @property
    def seeds(self) -> list[int]:
        """Seeds of the training runs, in their order."""
        return list(dict.fromkeys(run.seed for run in self.runs))

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """Predictions of all training runs, with ``seed`` and ``fold``."""
        tables = [
            run.predictions().assign(seed=run.seed, fold=run.data.fold.number) for run in self.runs
        ]
        return pd.concat(tables, ignore_index=True)

    @property
    def measures(self) -> dict[str, Measure]:
        """Measures by name: :data:`MEASURES`, and ``rare_recall`` if a rare class has test clips.

        ``rare_recall`` is the mean recall of the rare classes.
        """
        pooled = self.confusion(self.seeds).pooled
        rare_numbers = [self.classes.index(label) for label in self.rare]
        tested_numbers = [number for number in rare_numbers if pooled[number].any()]
        if not tested_numbers:
            return MEASURES
        return MEASURES | {"rare_recall": mean_recall(tested_numbers)}

    def confusion(self, seeds: Sequence[int], mask: pd.Series | None = None) -> ConfusionBySpeaker:
        """Return confusion matrices by seed, fold and speaker.

        Args:
            seeds: seeds of the training runs to count.
            mask: whether to count each row of :attr:`predictions`; default: all rows.
        """
        is_counted = self.predictions["seed"].isin(seeds)
        if mask is not None:
            is_counted &= mask
        rows = self.predictions[is_counted]
        return confusion_by_speaker(
            self._class_numbers(rows["truth"]),
            self._class_numbers(rows["predicted"]),
            rows["seed"],
            rows["fold"],
            rows["speaker"],
            len(self.classes),
        )

    def _class_numbers(self, labels: pd.Series) -> npt.NDArray[Any]:
        number_by_label = {label: number for number, label in enumerate(self.classes)}
        return labels.map(number_by_label).to_numpy()

    def uar_of_speakers(self, confusion: ConfusionBySpeaker) -> dict[str, float]:
        """Return the UAR of each speaker, by name.

        Args:
            confusion: from :meth:`confusion`, for any seeds, without a mask.
        """
        names = sorted(self.predictions["speaker"].unique())
        counts = confusion.counts.sum(axis=0)
        return {
            name: float(average_recall(counts[confusion.speaker_index == index].sum(axis=0)))
            for index, name in enumerate(names)
        }

    def to_json(self, seed: int) -> dict[str, Any]:
        """Return the measures over all seeds, as JSON values.

        Args:
            seed: seed of the bootstrap.
        """
        confusion, records = self.confusion(self.seeds), [run.record() for run in self.runs]
        measures = {
            name: asdict(estimate(confusion, measure, seed=seed))
            for name, measure in self.measures.items()
        }
        recalls = {
            label: asdict(estimate(confusion, mean_recall([number]), seed=seed))
            for number, label in enumerate(self.classes)
            if confusion.pooled[number].any()
        }
        return {
            "meaning": self.arm.description,
            "seeds": self.seeds,
            "trainings": len(self.runs),
            "generated": _mean_of_known([record.get("generated") for record in records]),
            "validation_uar": float(np.mean([record["validation_uar"] for record in records])),
            **measures,
            "recalls": recalls,
            "uar_of_seeds": self._uar_of_seeds(),
            "uar_of_speakers": self.uar_of_speakers(confusion),
            "groups": self._groups(seed),
            "confusion": confusion.pooled.tolist(),
            "calibration": self._calibration(),
        }

    def _uar_of_seeds(self) -> dict[str, float]:
        return {
            str(seed): float(average_recall(self.confusion([seed]).pooled)) for seed in self.seeds
        }

    def _groups(self, seed: int) -> list[dict[str, Any]]:
        """Return the UAR of each corpus if there are several, and of each gender likewise.

        If there are several corpora and TESS is one of them, the UAR without TESS is added.
        """
        masks: list[tuple[str, str, pd.Series]] = []
        for attribute in ("corpus", "gender"):
            column = self.predictions[attribute]
            values = sorted(column.unique())
            if len(values) > 1:
                masks += [(attribute, value, column == value) for value in values]
            if attribute == "corpus" and "tess" in values and len(values) > 1:
                masks.append((attribute, "all but tess", column != "tess"))
        groups = []
        for attribute, value, mask in masks:
            confusion = self.confusion(self.seeds, mask)
            groups.append(
                {
                    "attribute": attribute,
                    "value": value,
                    "speakers": confusion.speaker_count,
                    # All seeds have predictions of the same clips.
                    "clips": int(confusion.counts[0].sum()),
                    "uar": asdict(estimate(confusion, average_recall, seed=seed)),
                }
            )
        return groups

    def _calibration(self) -> dict[str, Any]:
        columns = [f"logit_{label}" for label in self.classes]
        logits = self.predictions.reindex(columns=columns).apply(pd.to_numeric, errors="coerce")
        truth = self._class_numbers(self.predictions["truth"])
        return asdict(reliability(softmax(logits.to_numpy()), truth))


def _mean_of_known(values: Sequence[int | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
