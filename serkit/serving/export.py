"""A classifier as a SavedModel that takes the bytes of WAV files."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import tensorflow as tf

import serkit
from serkit.files import replacing, write_json, write_text
from serkit.serving.answering import Answering
from serkit.serving.card import model_card
from serkit.serving.signing import sign
from serkit.serving.versions import DETAILS, version_for
from serkit.serving.warm_up import REQUESTS, write_warm_up

CARD, LABELS = "assets.extra/model-card.md", "assets.extra/labels.txt"


def export_classifier(
    answering: Answering, out: Path | str, details: Mapping[str, Any] | None = None
) -> Path:
    """Write a version of a model, as TF Serving wants it.

    :mod:`serkit.serving.signatures` says what it takes and gives. The graph holds TensorFlow's own
    ops only and the very functions that training used. Beside it, in ``assets.extra``: the labels,
    ``serkit.json`` with the spec and all that is known of the model, a model card made of that, and
    requests that warm it up.

    Args:
        answering: what is exported.
        out: ``NAME/3``, or ``NAME`` for the next version of it.
        details: what is known of the model, see :func:`serkit.serving.card.model_card`.

    Returns:
        The folder of the version.

    Raises:
        InputError: if the version exists: it is not overwritten.
    """
    version = version_for(Path(out))
    settings = asdict(answering.settings)
    known = {
        "serkit": serkit.__version__,
        "name": version.parent.name,
        "version": int(version.name),
        "classes": list(answering.classes),
        "spec": asdict(answering.spec),
        "answers": settings | {"draws": answering.draws, "networks": len(answering.networks)},
        **(details or {}),
    }
    with replacing(version) as partial:
        tf.saved_model.save(_module(answering), str(partial), sign(answering))
        write_json(partial / DETAILS, known)
        write_text(partial / LABELS, "".join(f"{label}\n" for label in answering.classes))
        write_text(partial / CARD, model_card(known))
        write_warm_up(partial / REQUESTS, version.parent.name, answering)
    return version


def _module(answering: Answering) -> tf.Module:
    """What a SavedModel keeps: the variables, and none of Keras' objects around them."""
    module = tf.Module()
    module.weights = [
        variable.value for network in answering.networks for variable in network.variables
    ]
    return module
