"""A classifier as a SavedModel that takes the bytes of WAV files."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from serkit.audio.loading import load_waveform
from serkit.audio.spectrogram import SpectrogramSpec, log_mel
from serkit.errors import InputError
from serkit.files import replacing, write_json

DETAILS = "assets.extra/serkit.json"
"""Where a SavedModel of ours keeps its labels, its spec and what else is known of it."""


def export_classifier(
    model: keras.Model,
    spec: SpectrogramSpec,
    classes: Sequence[str],
    folder: Path | str,
    details: Mapping[str, Any] | None = None,
) -> Path:
    """Write ``folder``/N with N the next free integer, as TF Serving wants it.

    The default signature takes ``wav_bytes``, strings ``(batch,)`` with one whole WAV file each,
    and returns, for every one of them,

    - ``probabilities``: float32 ``(batch, classes)``, all 0 where ``status`` is not empty;
    - ``label``: string ``(batch,)``, the most probable class, empty where ``status`` is not;
    - ``status``: string ``(batch,)``, empty, or what is wrong with the file.

    The graph holds TensorFlow's own ops only and the very functions that training used.

    Args:
        model: from spectrograms of ``spec`` to logits ``(batch, classes)``.
        spec: what the model was trained on.
        classes: labels in the order of the logits.
        folder: of all versions of this model.
        details: more to keep in ``assets.extra/serkit.json``.

    Raises:
        InputError: if the number of classes is not the model's.
    """
    if model.output_shape[-1] != len(classes):
        raise InputError(
            f"{len(classes)} classes for a model with {model.output_shape[-1]} outputs; "
            "valid is one class per output"
        )
    names = tf.constant(list(classes))

    def serve(wav_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        waveforms, status = tf.map_fn(
            lambda data: load_waveform(data, spec),
            wav_bytes,
            fn_output_signature=(tf.TensorSpec([spec.samples]), tf.TensorSpec([], tf.string)),
        )
        logits = model(log_mel(waveforms, spec), training=False)
        usable = tf.equal(status, "")
        probabilities = tf.where(usable[:, tf.newaxis], tf.nn.softmax(logits), 0.0)
        label = tf.where(usable, tf.gather(names, tf.argmax(logits, axis=-1)), "")
        return {"probabilities": probabilities, "label": label, "status": status}

    version = Path(folder, str(_next_version(Path(folder))))
    with replacing(version) as partial:
        archive = keras.export.ExportArchive()
        archive.track(model)
        signature = [tf.TensorSpec([None], tf.string, name="wav_bytes")]
        archive.add_endpoint("serve", serve, input_signature=signature)
        archive.write_out(str(partial), verbose=False)
        known = {"classes": list(classes), "spec": asdict(spec), **(details or {})}
        write_json(partial / DETAILS, known)
    return version


def _next_version(folder: Path) -> int:
    return max(versions(folder), default=0) + 1


def versions(folder: Path) -> list[int]:
    """The integer versions of a model that are in its folder, smallest first."""
    if not folder.is_dir():
        return []
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal())
