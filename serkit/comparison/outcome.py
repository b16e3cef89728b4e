"""What one arm did: all its predictions, as measures with intervals."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from serkit.comparison.arms import Arm
from serkit.comparison.trainings import Training
from serkit.evaluation.calibration import reliability, softmax
from serkit.evaluation.cells import Cells, tabulate
from serkit.evaluation.metrics import accuracy, average_recall, class_recalls, macro_f1
from serkit.evaluation.paired import estimate
from serkit.evaluation.training_noise import Measure

MEASURES: dict[str, Measure] = {
    "uar": average_recall,
    "macro_f1": macro_f1,
    "accuracy": accuracy,
}
"""What arms are measured by, the first above all."""


def mean_recall(numbers: Sequence[int]) -> Measure:
    """The mean recall of some classes, as a measure; of those that have clips."""

    def measure(confusion: np.ndarray) -> np.ndarray:
        recalls = class_recalls(confusion)[..., list(numbers)]
        there = ~np.isnan(recalls)
        total = np.where(there, recalls, 0.0).sum(axis=-1)
        return np.where(there.any(axis=-1), total / np.maximum(there.sum(axis=-1), 1), np.nan)

    return measure


@dataclass(frozen=True)
class Outcome:
    """What one classifier made of all test clips of one protocol in one arm.

    Attributes:
        arm: of the comparison.
        trainings: by seed and fold.
        classes: names of the class numbers.
        rare: names of the classes that were filled in some fold.
    """

    arm: Arm
    trainings: Sequence[Training]
    classes: Sequence[str]
    rare: Sequence[str]

    @property
    def seeds(self) -> list[int]:
        """Of trainings, in their order."""
        return list(dict.fromkeys(training.seed for training in self.trainings))

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """Of all trainings, with ``seed`` and ``fold``."""
        tables = [
            one.predictions().assign(seed=one.seed, fold=one.filling.fold.number)
            for one in self.trainings
        ]
        return pd.concat(tables, ignore_index=True)

    @property
    def measures(self) -> dict[str, Measure]:
        """:data:`MEASURES`, and the recall of the rare classes if any of them is tested."""
        pooled = self.cells(self.seeds).pooled
        places = [self.classes.index(label) for label in self.rare]
        tested = [place for place in places if pooled[place].any()]
        return MEASURES | ({"rare_recall": mean_recall(tested)} if tested else {})

    def cells(self, seeds: Sequence[int], clips: pd.Series | None = None) -> Cells:
        """Confusion matrices by seed, fold and speaker.

        Args:
            seeds: whose predictions count.
            clips: which of :attr:`predictions` count; default: all.
        """
        rows = self.predictions["seed"].isin(seeds)
        some = self.predictions[rows if clips is None else rows & clips]
        place = {label: number for number, label in enumerate(self.classes)}
        truth, predicted = (some[name].map(place).to_numpy() for name in ("truth", "predicted"))
        return tabulate(
            truth, predicted, some["seed"], some["fold"], some["speaker"], len(self.classes)
        )

    def uar_of_speakers(self, cells: Cells) -> dict[str, float]:
        """UAR of each speaker by name, of some of :meth:`cells` of all clips."""
        names = sorted(self.predictions["speaker"].unique())
        counts = cells.counts.sum(axis=0)
        return {
            name: float(average_recall(counts[cells.speakers == number].sum(axis=0)))
            for number, name in enumerate(names)
        }

    def to_json(self, seed: int) -> dict[str, Any]:
        """Measures of all seeds, as JSON values.

        Args:
            seed: of the bootstrap.
        """
        cells, records = self.cells(self.seeds), [one.record() for one in self.trainings]
        measures = self.measures
        recalls = {
            label: estimate(cells, mean_recall([number]), seed=seed)
            for number, label in enumerate(self.classes)
            if cells.pooled[number].any()
        }
        return {
            "meaning": self.arm.meaning,
            "seeds": self.seeds,
            "trainings": len(self.trainings),
            "generated": _mean([record.get("generated") for record in records]),
            "validation_uar": float(np.mean([record["validation_uar"] for record in records])),
            **{
                name: asdict(estimate(cells, measure, seed=seed))
                for name, measure in measures.items()
            },
            "recalls": {label: asdict(found) for label, found in recalls.items()},
            "uar_of_seeds": self._uar_of_seeds(),
            "uar_of_speakers": self.uar_of_speakers(cells),
            "groups": self._groups(seed),
            "confusion": cells.pooled.tolist(),
            "calibration": self._calibration(),
        }

    def _uar_of_seeds(self) -> dict[str, float]:
        return {str(s): float(average_recall(self.cells([s]).pooled)) for s in self.seeds}

    def _groups(self, seed: int) -> list[dict[str, Any]]:
        """UAR of each corpus and gender, if there are several, and of all corpora but TESS."""
        found = []
        wanted: list[tuple[str, str, pd.Series]] = []
        for name in ("corpus", "gender"):
            column = self.predictions[name]
            values = sorted(column.unique())
            if len(values) > 1:
                wanted += [(name, value, column == value) for value in values]
            if name == "corpus" and "tess" in values and len(values) > 1:
                wanted.append((name, "all but tess", column != "tess"))
        for name, value, clips in wanted:
            cells = self.cells(self.seeds, clips)
            uar = asdict(estimate(cells, average_recall, seed=seed))
            group = {"attribute": name, "value": value, "speakers": cells.speaker_count}
            found.append(group | {"clips": int(cells.counts[0].sum()), "uar": uar})
        return found

    def _calibration(self) -> dict[str, Any]:
        columns = [f"logit_{label}" for label in self.classes]
        logits = self.predictions.reindex(columns=columns).apply(pd.to_numeric, errors="coerce")
        place = {label: number for number, label in enumerate(self.classes)}
        truth = self.predictions["truth"].map(place).to_numpy()
        return asdict(reliability(softmax(logits.to_numpy()), truth))


def _mean(values: Sequence[int | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
