"""The numbers of a comparison, as JSON values without times or paths."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from serkit.augmentation.arms import NONE, Arm
from serkit.datasets.corpus_info import LISTENERS, synthetic_clips
from serkit.errors import InputError
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
from serkit.metrics.paired import Difference, difference, holm
from serkit.reporting.verdicts import verdict
from serkit.serialization import plain
from serkit.studies.classifier_runs import ClassifierRun
from serkit.studies.comparison_settings import HONEST, LEAKY
from serkit.studies.corpus_probe import tell_corpora
from serkit.studies.engine import Comparison

MEASURES: dict[str, Measure] = {"uar": average_recall, "macro_f1": macro_f1, "accuracy": accuracy}
"""Measures of an arm by name; the first is the main measure."""


def mean_recall(numbers: Sequence[int]) -> Measure:
    """Return a measure: the mean recall of some classes, without classes that have no clips."""

    def measure(confusion: npt.NDArray[Any]) -> npt.NDArray[Any]:
        recalls = class_recalls(confusion)[..., list(numbers)]
        there = ~np.isnan(recalls)
        total = np.where(there, recalls, 0.0).sum(axis=-1)
        return np.where(there.any(axis=-1), total / np.maximum(there.sum(axis=-1), 1), np.nan)

    return measure


@dataclass(frozen=True)
class Outcome:
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
        """:data:`MEASURES`, and the mean recall of the rare classes if any has test clips."""
        pooled = self.cells(self.seeds).pooled
        places = [self.classes.index(label) for label in self.rare]
        tested = [place for place in places if pooled[place].any()]
        return MEASURES | ({"rare_recall": mean_recall(tested)} if tested else {})

    def cells(self, seeds: Sequence[int], clips: pd.Series | None = None) -> ConfusionBySpeaker:
        """Return confusion matrices by seed, fold and speaker.

        Args:
            seeds: seeds of the training runs to count.
            clips: mask of the rows of :attr:`predictions` to count; default: all.
        """
        rows = self.predictions["seed"].isin(seeds)
        some = self.predictions[rows if clips is None else rows & clips]
        place = {label: number for number, label in enumerate(self.classes)}
        truth, predicted = (some[name].map(place).to_numpy() for name in ("truth", "predicted"))
        return confusion_by_speaker(
            truth, predicted, some["seed"], some["fold"], some["speaker"], len(self.classes)
        )

    def uar_of_speakers(self, cells: ConfusionBySpeaker) -> dict[str, float]:
        """Return the UAR of each speaker, by name.

        Args:
            cells: from :meth:`cells`, of any seeds and all clips.
        """
        names = sorted(self.predictions["speaker"].unique())
        counts = cells.counts.sum(axis=0)
        return {
            name: float(average_recall(counts[cells.speaker_index == number].sum(axis=0)))
            for number, name in enumerate(names)
        }

    def to_json(self, seed: int) -> dict[str, Any]:
        """Return the measures over all seeds, as JSON values.

        Args:
            seed: seed of the bootstrap.
        """
        cells, records = self.cells(self.seeds), [run.record() for run in self.runs]
        measures = self.measures
        recalls = {
            label: estimate(cells, mean_recall([number]), seed=seed)
            for number, label in enumerate(self.classes)
            if cells.pooled[number].any()
        }
        return {
            "meaning": self.arm.meaning,
            "seeds": self.seeds,
            "trainings": len(self.runs),
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
        """Return the UAR of each corpus and gender, if there are several.

        If there are several corpora and TESS is one of them, the UAR without TESS is added.
        """
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


EFFECTS = (0.01, 0.02, 0.05)
"""Differences in UAR for which the results state the number of speakers needed to detect them."""


CHEAP = "oversampling"
"""Name of the cheapest arm that fills up classes; other arms that do so are compared with it."""


def make_results(comparison: Comparison) -> dict[str, Any]:
    """Compute the results of a comparison from the predictions of all finished training runs.

    Args:
        comparison: a comparison that was run.

    Returns:
        JSON values:

        - ``settings``, ``classes``.
        - ``rare``: names of the classes that were filled up in at least one fold.
        - ``protocols``: for each protocol, ``leaky``, ``folds`` and ``classifiers``. For each
          classifier, ``arms``. For each arm, the result of :meth:`Outcome.to_json`. Each arm except
          ``none`` also has ``difference``, the difference from ``none``, with a ``verdict`` in
          words. Each arm that fills up classes, except ``oversampling``, also has
          ``beside_copies``, the difference from ``oversampling``. A difference uses the seeds that
          both arms have.
        - ``gap``: for each classifier and arm, the UAR of the leaky protocol minus the UAR of the
          speaker-disjoint one. Only if both protocols were run.
        - ``left_out``: why arms that fill up classes were not run. Only if no class is rare.
        - ``failed``: training runs that diverged, or whose GAN diverged, and why. Only if there are
          any.
        - ``corpora``: how well a linear classifier recognises the corpus of a clip, see
          :func:`serkit.studies.corpus_probe.tell_corpora`. Only if there are several corpora.
        - ``listeners``: accuracy and recalls of human listeners on the same corpora. Only for the
          label set ``emotion``.
        - ``synthetic``: true if some clips are of the built-in synthetic corpus; otherwise missing.
    """
    settings = comparison.settings
    classes = list(comparison.corpus.classes(settings.label_set))
    rare = sorted({label for fold in comparison.folds for label in fold.plan}, key=classes.index)
    found = {
        "settings": settings.to_json() | {"roots": _corpora(comparison)},
        "classes": classes,
        "rare": rare,
        "protocols": {
            protocol: {
                "leaky": protocol == LEAKY,
                "folds": _folds(comparison, protocol),
                "classifiers": {
                    classifier: {"arms": _arms(comparison, protocol, classifier, classes, rare)}
                    for classifier in settings.classifiers
                },
            }
            for protocol in settings.protocols
        },
    }
    if len(settings.protocols) > 1:
        found["gap"] = _gap(found["protocols"])
    if comparison.left_out:
        found["left_out"] = comparison.left_out
    if comparison.failures:
        found["failed"] = comparison.failures
    if len(_corpora(comparison)) > 1:
        try:
            probed = tell_corpora(comparison.corpus, comparison.views[1.0], settings.seed)
        except InputError as error:
            probed = {"not_told": str(error)}
        found["corpora"] = probed
    made = synthetic_clips(comparison.corpus)
    if made:
        found["synthetic"] = True
    if settings.label_set == "emotion":
        heard = {clip.corpus for clip in comparison.corpus.clips if clip not in made}
        found["listeners"] = {name: known for name, known in LISTENERS.items() if name in heard}
    return plain(found)


def _corpora(comparison: Comparison) -> list[str]:
    return sorted({clip.corpus for clip in comparison.corpus.clips})


def _folds(comparison: Comparison, protocol: str) -> list[dict[str, Any]]:
    label_set = comparison.settings.label_set
    return [
        {
            "detail": fold.split.detail,
            "parts": {
                name: {"clips": len(part), "speakers": len(part.speakers())}
                for name, part in fold.split.parts().items()
            },
            "training_clips": fold.split.train.counts(label_set),
            "added": fold.plan,
        }
        for fold in comparison.folds
        if fold.protocol == protocol
    ]


def _arms(
    comparison: Comparison,
    protocol: str,
    classifier: str,
    classes: Sequence[str],
    rare: Sequence[str],
) -> dict[str, dict[str, Any]]:
    seed = comparison.settings.seed
    outcomes = {
        arm.name: Outcome(arm, runs, classes, rare)
        for arm in comparison.arms
        if (runs := comparison.runs(protocol, classifier, arm))
    }
    found = {name: outcome.to_json(seed) for name, outcome in outcomes.items()}
    if NONE not in outcomes:
        return found
    none, others = outcomes[NONE], [name for name in outcomes if name != NONE]
    apart = {name: _difference(none, outcomes[name], seed) for name in others}
    corrected = holm([each["uar"].p for each in apart.values()])
    for (name, measured), p_holm in zip(apart.items(), corrected, strict=True):
        found[name]["difference"] = _to_json(measured, p_holm, none, outcomes[name], protocol)
    if CHEAP in outcomes:
        for name in others:
            if name != CHEAP and outcomes[name].arm.fill:
                beside = _difference(outcomes[CHEAP], outcomes[name], seed)
                found[name]["beside_copies"] = {key: asdict(each) for key, each in beside.items()}
    return found


def _difference(first: Outcome, other: Outcome, seed: int) -> dict[str, Difference]:
    # Only seeds that both arms have, so that both training runs of a pair have the same seed.
    seeds = [each for each in other.seeds if each in first.seeds]
    pair = first.cells(seeds), other.cells(seeds)
    return {name: difference(*pair, measure, seed=seed) for name, measure in first.measures.items()}


def _to_json(
    measured: dict[str, Difference], p_holm: float, none: Outcome, other: Outcome, protocol: str
) -> dict[str, Any]:
    uar = measured["uar"]
    speakers = none.predictions["speaker"].nunique()
    found = {name: asdict(each) for name, each in measured.items()}
    seeds = [each for each in other.seeds if each in none.seeds]
    before, after = (outcome.uar_of_speakers(outcome.cells(seeds)) for outcome in (none, other))
    found |= {
        "seeds": seeds,
        "uar_of_speakers": {name: after[name] - before[name] for name in before},
        "speakers": speakers,
        "p_holm": p_holm,
        "speakers_needed": {
            f"{100 * effect:g}": uar.speakers_for(effect, speakers) for effect in EFFECTS
        },
    }
    return found | {
        "verdict": verdict(
            other.arm.name, uar, p_holm, speakers, len(seeds), leaky=protocol == LEAKY
        )
    }


def _gap(protocols: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Return how much higher each arm's UAR is if test speakers are also training speakers."""
    honest, leaky = (protocols[name]["classifiers"] for name in (HONEST, LEAKY))
    return {
        classifier: {
            arm: leaky[classifier]["arms"][arm]["uar"]["value"] - values["uar"]["value"]
            for arm, values in found["arms"].items()
            if arm in leaky[classifier]["arms"]
        }
        for classifier, found in honest.items()
    }
