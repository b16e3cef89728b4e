"""A classifier that a run chose as a model to deploy, tried out as a user would."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.errors import InputError, SerkitError
from serkit.serving.answering import Answering, AnswerSettings
from serkit.serving.export import export_classifier
from serkit.serving.networks import load_network
from serkit.trials.evidence import calibrated, gather
from serkit.trials.parts import Parts
from serkit.uncertainty.ensemble import Ensemble
from serkit.uncertainty.sampled import SampledNetwork, draws

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
        out: see :func:`serkit.serving.export.export_classifier`.
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
