"""Calibrate, evaluate and export the classifier that a run chose, and check the exported model."""

import hashlib
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
from serkit.errors import SerkitError, check_range
from serkit.export.exportable_model import (
    MAX_SAMPLES,
    ExportableModel,
    PredictionSettings,
    load_network,
)
from serkit.export.saved_model import export_model
from serkit.metrics.calibration import negative_log_likelihood, reliability
from serkit.metrics.intervals import breakdown
from serkit.models.speech_features import SpeechFeatures
from serkit.serialization import plain
from serkit.studies.partitions import Partitions
from serkit.uncertainty.abstention import (
    SelectivePredictor,
    check_one_target,
    choose_threshold,
)
from serkit.uncertainty.predictors import (
    Ensemble,
    Predictor,
    SampledNetwork,
    has_random_layers,
    predict_samples,
)
from serkit.uncertainty.temperature import TemperatureScaled, scale_temperature

DIGEST_LENGTH = 16
"""Hexadecimal digits of the digests of recordings and speakers in an exported model."""


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
        InputError: if both or neither of ``coverage`` and ``accuracy`` are given, or a value is
            out of range.
    """

    coverage: float | None = 0.9
    accuracy: float | None = None
    samples: int = 30

    def __post_init__(self) -> None:
        check_one_target(self.coverage, self.accuracy)
        check_range("samples", self.samples, 1, MAX_SAMPLES)


def calibrate(
    predictor: Predictor, partitions: Partitions, settings: AbstentionSettings, seed: int = 0
) -> SelectivePredictor[TemperatureScaled]:
    """Fit a temperature and an abstention threshold on the validation speakers.

    Args:
        predictor: any predictor.
        partitions: spectrograms and labels of the split that the predictor was trained on.
        settings: settings of abstention.
        seed: seed of the Monte Carlo samples.

    Returns:
        Predictor with abstention. Its attribute ``predictor`` is the predictor with temperature.

    Raises:
        InputError: if there are no validation clips, or no threshold reaches the accuracy.
    """
    split = partitions.split
    validation, speakers = partitions.examples(split.validation), split.speakers
    scaled = scale_temperature(predictor, validation, speakers, settings.samples, seed)
    return choose_threshold(
        scaled,
        validation,
        speakers,
        coverage=settings.coverage,
        accuracy=settings.accuracy,
        n=settings.samples,
        seed=seed,
    )


def model_card_evidence(
    predictor: SelectivePredictor[TemperatureScaled],
    partitions: Partitions,
    generated: Mapping[str, int],
    seed: int,
) -> dict[str, Any]:
    """Collect the measurements and metadata for a model card, as JSON values.

    Args:
        predictor: from :func:`calibrate`.
        partitions: spectrograms and labels of the split that the predictor was trained on.
        generated: number of generated spectrograms in the training partition, by class.
        seed: seed of the bootstrap.

    Returns:
        - ``data``: ``parts`` (number of clips and speakers by partition, in total and by corpus),
          ``classes`` (number of training clips by class), ``generated``, ``licences`` by corpus,
          ``synthetic`` (whether some clips are of the built-in corpus), and ``digests`` of the
          recordings and speakers of all partitions but test.
        - ``test``, measured on the real clips of the test partition: ``groups``
          (:class:`serkit.metrics.intervals.Group`, for all clips, by corpus and by gender) and
          ``calibration`` (``error`` and ``nll`` without and with the temperature).
        - ``abstention``: ``validation_coverage``; on the test partition ``coverage``, ``accuracy``
          of the clips without abstention (None if there are none) and ``accuracy_of_all``.
    """
    split = partitions.split
    data = describe_data(split.partitions(), partitions.classes, partitions.label_set, generated)
    test, truth = split.test, partitions.labels(split.test)
    spectrograms = partitions.spectrograms(test)
    predictions = predictor.predict(spectrograms)
    predicted = predictions.probabilities.argmax(axis=1)
    groups = breakdown(
        truth,
        predicted,
        [clip.speaker for clip in test.clips],
        len(partitions.classes),
        {name: [getattr(clip, name) for clip in test.clips] for name in ("corpus", "gender")},
        seed=seed,
    )
    unscaled_predictor = predictor.predictor.predictor
    samples = predict_samples(unscaled_predictor, spectrograms, predictor.n, predictor.seed)
    return {
        "data": data,
        "test": {
            "groups": [plain(group.to_json()) for group in groups],
            "calibration": {
                "without a temperature": calibration_scores(samples.mean(axis=0), truth),
                "with it": calibration_scores(predictions.probabilities, truth),
            },
        },
        "abstention": _abstention(predictor, partitions, ~predictions.abstain, predicted == truth),
    }


def describe_data(
    parts: Mapping[str, Corpus],
    classes: Sequence[str],
    label_set: str,
    generated: Mapping[str, int],
) -> dict[str, Any]:
    """Describe the recordings of a model for its card.

    Args:
        parts: partitions by name; the first one is that of training.
        classes: class names.
        label_set: ``emotion`` or ``gender_emotion``.
        generated: number of generated spectrograms in the training partition, by class.

    Returns:
        The value of ``data`` that :func:`model_card_evidence` describes.
    """
    train, *_ = parts.values()
    fitted = [clip for name, part in parts.items() if name != "test" for clip in part.clips]
    corpus = Corpus(tuple(clip for part in parts.values() for clip in part.clips), train.roots)
    corpus_names = sorted({clip.corpus for clip in corpus.clips})
    training_clips = train.counts(label_set)
    return {
        "parts": {name: _summary(clips, corpus_names) for name, clips in parts.items()},
        "classes": {label: training_clips.get(label, 0) for label in classes},
        "generated": dict(generated),
        "licences": licences_of(corpus),
        "synthetic": bool(synthetic_clips(corpus)),
        "digests": {
            "recordings": sorted(clip.sha256[:DIGEST_LENGTH] for clip in fitted),
            "speakers": sorted({speaker_digest(clip.speaker) for clip in fitted}),
        },
    }


def speaker_digest(speaker: str) -> str:
    """Return a digest of a speaker's name, as exported models hold those of their training set."""
    return hashlib.sha256(speaker.encode()).hexdigest()[:DIGEST_LENGTH]


def _summary(clips: Corpus, corpus_names: Sequence[str]) -> dict[str, Any]:
    """Return the numbers of clips and speakers, in total and for each corpus that has clips."""
    clips_by_corpus = {name: _clips_of_corpus(clips, name) for name in corpus_names}
    return {
        **_counts(clips),
        "corpora": {name: _counts(clips) for name, clips in clips_by_corpus.items() if len(clips)},
    }


def _clips_of_corpus(clips: Corpus, name: str) -> Corpus:
    return clips.where(lambda clip: clip.corpus == name)


def _counts(clips: Corpus) -> dict[str, int]:
    return {"clips": len(clips), "speakers": len(clips.speakers())}


def calibration_scores(
    probabilities: npt.NDArray[Any], truth: npt.NDArray[Any]
) -> dict[str, float]:
    """Return the expected calibration error and the negative log likelihood, for a model card."""
    return {
        "error": float(reliability(probabilities, truth).ece),
        "nll": float(negative_log_likelihood(probabilities, truth)),
    }


def _abstention(
    predictor: SelectivePredictor[TemperatureScaled],
    partitions: Partitions,
    is_covered: npt.NDArray[Any],
    is_correct: npt.NDArray[Any],
) -> dict[str, float | None]:
    validation = predictor.predict(partitions.spectrograms(partitions.split.validation))
    return {
        "validation_coverage": float(1 - validation.abstain.mean()),
        "coverage": float(is_covered.mean()),
        "accuracy": float(is_correct[is_covered].mean()) if is_covered.any() else None,
        "accuracy_of_all": float(is_correct.mean()),
    }


@dataclass(frozen=True)
class ClassifierToExport:
    """Classifier of a run to export, and its metadata.

    Attributes:
        files: one or more ``.keras`` files. Several files are an ensemble, whose networks must not
            draw random numbers.
        spec: settings of the spectrograms, or the encoder of the features, that the networks were
            trained on.
        partitions: inputs and labels of the split that the networks were trained on.
        metadata: ``run``, ``arm``, ``protocol``, ``leaky`` and ``comparison``, for the model card.
        generated: number of generated spectrograms in the training partition, by class.
        seed: seed of Monte Carlo samples and bootstraps.
    """

    files: Sequence[Path]
    spec: SpectrogramSpec | SpeechFeatures
    partitions: Partitions
    metadata: Mapping[str, Any]
    generated: Mapping[str, int]
    seed: int


def export_classifier(
    classifier: ClassifierToExport, out: Path, settings: AbstentionSettings | None = None
) -> Path:
    """Calibrate a classifier on validation clips, evaluate it on test clips, and export it.

    Args:
        classifier: the classifier and its metadata.
        out: see :func:`serkit.export.saved_model.export_model`.
        settings: settings of abstention.

    Returns:
        Folder of the exported version.

    Raises:
        InputError: if the version exists, or no threshold reaches the accuracy.
    """
    settings, seed = settings or AbstentionSettings(), classifier.seed
    partitions = classifier.partitions
    networks = [load_network(file) for file in classifier.files]
    if has_random_layers(networks[0]):
        predictor = SampledNetwork(networks[0])
    else:
        predictor = Ensemble(networks)
    calibrated = calibrate(predictor, partitions, settings, seed)
    evidence = model_card_evidence(calibrated, partitions, classifier.generated, seed)
    prediction_settings = PredictionSettings(
        calibrated.predictor.temperature,
        # A threshold below 0 nats means abstention from all clips. A threshold of 0 does the same.
        max(float(calibrated.threshold), 0.0),
        settings.samples,
        seed,
    )
    model = ExportableModel(networks, classifier.spec, partitions.classes, prediction_settings)
    card = {"label_set": partitions.label_set, **classifier.metadata, **evidence}
    return export_model(model, out, card)


def check_exported_model(model: Path | str, file: Path) -> str:
    """Return what ``serkit predict`` prints for an exported model and a recording.

    Raises:
        SerkitError: if the prediction fails; the process has printed why.
    """
    command = [sys.executable, "-m", "serkit", "predict", str(model), str(file)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SerkitError(f"the exported model {model} does not predict {file}; see above")
    return done.stdout.rstrip()
