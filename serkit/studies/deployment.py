"""Measure, export and try out the classifier that a run chose."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.datasets.corpus import Corpus
from serkit.datasets.corpus_info import licences_of, synthetic_clips
from serkit.errors import InputError, SerkitError
from serkit.export.answering import Answering, AnswerSettings, load_network
from serkit.export.saved_model import export_classifier
from serkit.metrics.calibration import negative_log_likelihood, reliability
from serkit.metrics.intervals import breakdown
from serkit.serialization import plain
from serkit.studies.parts import Parts
from serkit.uncertainty.abstention import Abstaining, abstaining
from serkit.uncertainty.predictors import (
    Ensemble,
    Predictor,
    SampledNetwork,
    draws,
    predict_samples,
)
from serkit.uncertainty.temperature import scale_temperature


def calibrated(
    predictor: Predictor,
    parts: Parts,
    *,
    coverage: float | None = None,
    accuracy: float | None = None,
    samples: int = 30,
    seed: int = 0,
) -> Abstaining:
    """A predictor with a temperature and a threshold, both chosen on the validation speakers.

    Args:
        predictor: any.
        parts: of the split that it was trained on.
        coverage: share of such clips that is to be answered, or
        accuracy: share of answers that are to be right; see
            :func:`serkit.uncertainty.abstention.abstaining`.
        samples: of the predictor.
        seed: of them.

    Returns:
        One whose ``predictor`` is a :class:`serkit.uncertainty.temperature.TemperatureScaled`.

    Raises:
        InputError: if not one of ``coverage`` and ``accuracy`` is given, there are no validation
            clips, or the accuracy cannot be reached.
    """
    validation, speakers = parts.examples(parts.split.validation), parts.split.speakers
    scaled = scale_temperature(predictor, validation, speakers, samples, seed)
    return abstaining(
        *(scaled, validation, speakers),
        **{"coverage": coverage, "accuracy": accuracy, "n": samples, "seed": seed},
    )


def gather(
    chosen: Abstaining, parts: Parts, generated: Mapping[str, int], seed: int
) -> dict[str, Any]:
    """What a model card needs to know, as JSON values.

    Args:
        chosen: from :func:`calibrated`.
        parts: of the split that it was trained on.
        generated: spectrograms that were added to the training part, by class.
        seed: of the bootstrap.

    Returns:
        ``data``: ``parts`` (clips and speakers, all and by corpus), ``classes`` (training clips),
        ``generated``, ``licences`` by corpus, ``synthetic`` (whether some clips are of the built-in
        corpus). ``test``, of the real clips of the test part: ``groups``
        (:class:`serkit.metrics.intervals.Group`, all and by corpus and gender) and
        ``calibration`` (``error`` and ``nll`` without and with the temperature). ``abstention``:
        ``validation_coverage``, ``coverage``, ``accuracy`` of what is answered (None if nothing
        is) and ``accuracy_of_all``.
    """
    split = parts.split
    names = dict.fromkeys(clip.corpus for clip in parts.corpus.clips)
    counted = split.train.counts(parts.label_set)
    data = {
        "parts": {name: _summary(part, list(names)) for name, part in split.parts().items()},
        "classes": {label: counted.get(label, 0) for label in parts.classes},
        "generated": dict(generated),
        "licences": licences_of(parts.corpus),
        "synthetic": bool(synthetic_clips(parts.corpus)),
    }
    test, truth = split.test, parts.labels(split.test)
    answers = chosen.answer(parts.of(test))
    called = answers.probabilities.argmax(axis=1)
    groups = breakdown(
        *(truth, called, [clip.speaker for clip in test.clips], len(parts.classes)),
        {name: [getattr(clip, name) for clip in test.clips] for name in ("corpus", "gender")},
        seed=seed,
    )
    before = chosen.predictor.predictor
    raw = predict_samples(before, parts.of(test), chosen.n, chosen.seed).mean(axis=0)
    return {
        "data": data,
        "test": {
            "groups": [plain(group.to_json()) for group in groups],
            "calibration": {
                "without a temperature": _calibration(raw, truth),
                "with it": _calibration(answers.probabilities, truth),
            },
        },
        "abstention": _abstention(chosen, parts, ~answers.abstain, called == truth),
    }


def _summary(part: Corpus, names: Sequence[str]) -> dict[str, Any]:
    by_corpus = {name: part.where(lambda clip, n=name: clip.corpus == n) for name in names}
    return {
        **_counts(part),
        "corpora": {name: _counts(some) for name, some in by_corpus.items() if len(some)},
    }


def _counts(part: Corpus) -> dict[str, int]:
    return {"clips": len(part), "speakers": len(part.speakers())}


def _calibration(probabilities: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    return {
        "error": float(reliability(probabilities, truth).ece),
        "nll": float(negative_log_likelihood(probabilities, truth)),
    }


def _abstention(
    chosen: Abstaining, parts: Parts, answered: np.ndarray, right: np.ndarray
) -> dict[str, float | None]:
    validation = chosen.answer(parts.of(parts.split.validation))
    return {
        "validation_coverage": float(1 - validation.abstain.mean()),
        "coverage": float(answered.mean()),
        "accuracy": float(right[answered].mean()) if answered.any() else None,
        "accuracy_of_all": float(right.mean()),
    }


_NAMED = ("run", "arm", "protocol", "leaky", "comparison")


@dataclass(frozen=True)
class Deliverable:
    """What a run has chosen to be deployed.

    Attributes:
        classifiers: a ``.keras`` file; several are an ensemble, and then none of them draws.
        spec: what they were trained on.
        parts: of the split that they were trained on.
        known: ``run``, ``arm``, ``protocol``, ``leaky``, and ``generated`` (spectrograms
            that were added, by class); of a comparison's ``comparison``, too.
        seed: of draws and bootstraps.
    """

    classifiers: Sequence[Path]
    spec: SpectrogramSpec
    parts: Parts
    known: Mapping[str, Any]
    seed: int = 0


@dataclass(frozen=True)
class DeliverySettings:
    """When a delivered model abstains; chosen on validation speakers.

    Attributes:
        coverage: share of their clips that it answers, above 0 to 1, or
        accuracy: share of its answers that are right. One of the two is None.
        samples: how often a network that draws is asked.

    Raises:
        InputError: if both or none are given.
    """

    coverage: float | None = 0.9
    accuracy: float | None = None
    samples: int = 30

    def __post_init__(self) -> None:
        if (self.coverage is None) == (self.accuracy is None):
            raise InputError(
                f"coverage={self.coverage!r}, accuracy={self.accuracy!r}; valid is one of the two"
            )


def deliver(given: Deliverable, out: Path, settings: DeliverySettings | None = None) -> Path:
    """Calibrate a classifier on the validation part, measure it on the test part, and export it.

    Args:
        given: the classifier, and what is known of it.
        out: see :func:`serkit.export.saved_model.export_classifier`.
        settings: when it abstains.

    Raises:
        InputError: if the version exists, or the accuracy cannot be reached.
    """
    settings, parts, known = settings or DeliverySettings(), given.parts, given.known
    models = [load_network(file) for file in given.classifiers]
    predictor = SampledNetwork(models[0]) if draws(models[0]) else Ensemble(models)
    chosen = calibrated(
        *(predictor, parts),
        coverage=settings.coverage,
        accuracy=settings.accuracy,
        samples=settings.samples,
        seed=given.seed,
    )
    evidence = gather(chosen, parts, known["generated"], given.seed)
    answers = AnswerSettings(
        chosen.predictor.temperature,
        # To answer nothing is to abstain above 0 nats.
        max(float(chosen.threshold), 0.0),
        settings.samples,
        given.seed,
    )
    named = {name: known[name] for name in _NAMED if name in known}
    details = {"label_set": parts.label_set, **named, **evidence}
    return export_classifier(Answering(models, given.spec, parts.classes, answers), out, details)


def try_out(model: Path | str, file: Path) -> None:
    """Predict a recording in a process of its own, which has the SavedModel and nothing else.

    Raises:
        SerkitError: if that does not succeed; the process has printed why.
    """
    command = [sys.executable, "-m", "serkit", "predict", str(model), str(file)]
    if subprocess.run(command, check=False).returncode:
        raise SerkitError(f"the exported model {model} does not predict {file}; see above")
