"""The demo's last stage: the better classifier as a model to deploy, tried out as a user would."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import keras

from serkit.audio.spectrogram import SpectrogramSpec
from serkit.errors import SerkitError
from serkit.serving.export import export_classifier


def export_better(classifier: Path, spec: SpectrogramSpec, metrics: Mapping, models: Path) -> Path:
    """Export the classifier of the better arm as the next version below ``models``.

    Args:
        classifier: its ``.keras`` file.
        spec: what it was trained on.
        metrics: content of ``metrics.json``, see :func:`serkit.demo.scores.compare_arms`; the
            model carries its own test scores, and whether they come from a leaky split.
        models: folder of all versions of this model.
    """
    details = {
        "label_set": metrics["label_set"],
        "run": models.name,
        "protocol": metrics["protocol"],
        "leaky": metrics["leaky"],
        "test": metrics["arms"][metrics["better"]]["test"],
    }
    model = keras.models.load_model(classifier)
    return export_classifier(model, spec, metrics["classes"], models, details)


def try_out(model: Path | str, file: Path) -> None:
    """Predict a recording in a process of its own, which has the SavedModel and nothing else.

    Raises:
        SerkitError: if that does not succeed; the process has printed why.
    """
    command = [sys.executable, "-m", "serkit", "predict", str(model), str(file)]
    if subprocess.run(command, check=False).returncode:
        raise SerkitError(f"the exported model {model} does not predict {file}; see above")
