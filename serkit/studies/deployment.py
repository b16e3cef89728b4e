"""Measure, export and try out the classifier that a run chose."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.datasets.corpus import Corpus
from serkit.datasets.corpus_info import licences_of, synthetic_clips
from serkit.errors import SerkitError
from serkit.export.answering import Answering, AnswerSettings, load_network
from serkit.export.saved_model import export_model
from serkit.metrics.calibration import negative_log_likelihood, reliability
from serkit.metrics.intervals import breakdown
from serkit.serialization import plain
from serkit.studies.partitions import Partitions
from serkit.uncertainty.abstention import Abstaining, abstaining, require_one
from serkit.uncertainty.predictors import (
    Ensemble,
    Predictor,
    SampledNetwork,
    has_random_layers,
    predict_samples,
)
from serkit.uncertainty.temperature import TemperatureScaled, scale_temperature


@dataclass(frozen=True)
class AbstentionSettings:
    """Settings of abstention for an exported model; the threshold is chosen on validation speakers.

    Attributes:
        coverage: fraction of the validation clips without abstention, above 0 to 1; None if
            ``accuracy`` is given.
        accuracy: fraction of correct predictions among validation clips without abstention; None if
            ``coverage`` is given.
        samples: number of Monte Carlo samples of a network that draws random numbers.

    Raises:
        InputError: if both or neither of ``coverage`` and ``accuracy`` are given.
    """

    coverage: float | None = 0.9
    accuracy: float | None = None
    samples: int = 30

    def __post_init__(self) -> None:
        require_one(self.coverage, self.accuracy)


def calibrate(
    predictor: Predictor, parts: Partitions, settings: AbstentionSettings, seed: int = 0
) -> Abstaining[TemperatureScaled]:
    """Fit a temperature and an abstention threshold on the validation speakers.

    Args:
        predictor: any predictor.
        parts: spectrograms and labels of the split that the predictor was trained on.
        settings: settings of abstention.
        seed: seed of the samples.

    Returns:
        Predictor with abstention, whose ``predictor`` has the temperature.

    Raises:
        InputError: if there are no validation clips, or no threshold reaches the accuracy.
    """
    validation, speakers = parts.examples(parts.split.validation), parts.split.speakers
    scaled = scale_temperature(predictor, validation, speakers, settings.samples, seed)
    return abstaining(
        scaled,
        validation,
        speakers,
        coverage=settings.coverage,
        accuracy=settings.accuracy,
        n=settings.samples,
        seed=seed,
    )


def model_card_evidence(
    chosen: Abstaining[TemperatureScaled],
    parts: Partitions,
    generated: Mapping[str, int],
    seed: int,
) -> dict[str, Any]:
    """Collect the measurements and metadata for a model card, as JSON values.

    Args:
        chosen: from :func:`calibrate`.
        parts: spectrograms and labels of the split that the predictor was trained on.
        generated: number of generated spectrograms in the training partition, by class.
        seed: seed of the bootstrap.

    Returns:
        - ``data``: ``parts`` (number of clips and speakers by partition, in total and by corpus),
          ``classes`` (number of training clips by class), ``generated``, ``licences`` by corpus and
          ``synthetic`` (whether some clips are of the built-in corpus).
        - ``test``, measured on the real clips of the test partition: ``groups``
          (:class:`serkit.metrics.intervals.Group`, for all clips, by corpus and by gender) and
          ``calibration`` (``error`` and ``nll`` without and with the temperature).
        - ``abstention``: ``validation_coverage``; on the test partition ``coverage``, ``accuracy``
          of the clips without abstention (None if there are none) and ``accuracy_of_all``.
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
        truth,
        called,
        [clip.speaker for clip in test.clips],
        len(parts.classes),
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


def _calibration(probabilities: npt.NDArray[Any], truth: npt.NDArray[Any]) -> dict[str, float]:
    return {
        "error": float(reliability(probabilities, truth).ece),
        "nll": float(negative_log_likelihood(probabilities, truth)),
    }


def _abstention(
    chosen: Abstaining[TemperatureScaled],
    parts: Partitions,
    answered: npt.NDArray[Any],
    right: npt.NDArray[Any],
) -> dict[str, float | None]:
    validation = chosen.answer(parts.of(parts.split.validation))
    return {
        "validation_coverage": float(1 - validation.abstain.mean()),
        "coverage": float(answered.mean()),
        "accuracy": float(right[answered].mean()) if answered.any() else None,
        "accuracy_of_all": float(right.mean()),
    }


@dataclass(frozen=True)
class ClassifierToExport:
    """Classifier of a run to export, and its metadata.

    Attributes:
        classifiers: one or more ``.keras`` files. Several files are an ensemble, whose networks
            must not draw random numbers.
        spec: settings of the spectrograms that the classifiers were trained on.
        parts: spectrograms and labels of the split that the classifiers were trained on.
        known: ``run``, ``arm``, ``protocol``, ``leaky`` and ``comparison``, for the model card.
        generated: number of generated spectrograms in the training partition, by class.
        seed: seed of samples and bootstraps.
    """

    classifiers: Sequence[Path]
    spec: SpectrogramSpec
    parts: Partitions
    known: Mapping[str, Any]
    generated: Mapping[str, int]
    seed: int


def export_run(
    given: ClassifierToExport, out: Path, settings: AbstentionSettings | None = None
) -> Path:
    """Calibrate a classifier on validation clips, evaluate it on test clips, and export it.

    Args:
        given: the classifier and its metadata.
        out: see :func:`serkit.export.saved_model.export_model`.
        settings: settings of abstention.

    Raises:
        InputError: if the version exists, or no threshold reaches the accuracy.
    """
    settings, parts = settings or AbstentionSettings(), given.parts
    models = [load_network(file) for file in given.classifiers]
    predictor = SampledNetwork(models[0]) if has_random_layers(models[0]) else Ensemble(models)
    chosen = calibrate(predictor, parts, settings, given.seed)
    evidence = model_card_evidence(chosen, parts, given.generated, given.seed)
    answers = AnswerSettings(
        chosen.predictor.temperature,
        # A threshold below 0 means to abstain from all clips; so does one of 0 nats.
        max(float(chosen.threshold), 0.0),
        settings.samples,
        given.seed,
    )
    details = {"label_set": parts.label_set, **given.known, **evidence}
    return export_model(Answering(models, given.spec, parts.classes, answers), out, details)


def check_exported_model(model: Path | str, file: Path) -> None:
    """Predict a recording with an exported model in a separate process, as a check.

    Raises:
        SerkitError: if the prediction fails; the process has printed why.
    """
    command = [sys.executable, "-m", "serkit", "predict", str(model), str(file)]
    if subprocess.run(command, check=False).returncode:
        raise SerkitError(f"the exported model {model} does not predict {file}; see above")
