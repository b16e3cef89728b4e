"""A classifier as a SavedModel that takes the bytes of WAV files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from serkit.audio.loading import Loaded, load_windows
from serkit.audio.spectrogram import SpectrogramSpec, to_spectrogram
from serkit.errors import InputError
from serkit.files import replacing, write_json

# Windows that pass the network at a time; a recording of ten minutes has over three hundred.
_TOGETHER = 32

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
    - ``status``: string ``(batch,)``, empty, or what is wrong with the file;
    - ``note``: string ``(batch,)``, empty, or what is odd about a file that was used.

    Recordings longer than the spec's length are heard in overlapping windows, whose logits are
    averaged (of more than ten minutes, the middle ten).

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
        ragged = tf.RaggedTensorSpec([None, spec.samples], tf.float32, ragged_rank=0)
        text = tf.TensorSpec([], tf.string)
        loaded = tf.map_fn(
            lambda data: load_windows(data, spec),
            wav_bytes,
            fn_output_signature=Loaded(ragged, text, text),
        )
        heard = loaded.waveform
        logits = tf.math.segment_mean(
            _in_turn(
                lambda waves: model(to_spectrogram(waves, spec), training=False), heard.values
            ),
            heard.value_rowids(),
        )
        usable = tf.equal(loaded.status, "")
        probabilities = tf.where(usable[:, tf.newaxis], tf.nn.softmax(logits), 0.0)
        label = tf.where(usable, tf.gather(names, tf.argmax(logits, axis=-1)), "")
        outputs = {"probabilities": probabilities, "label": label}
        return outputs | {"status": loaded.status, "note": loaded.note}

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


def _in_turn(function: Callable[[tf.Tensor], tf.Tensor], rows: tf.Tensor) -> tf.Tensor:
    """``function`` of many rows, some at a time, so that memory does not grow with their number."""
    count = tf.shape(rows)[0]
    pieces = -(-count // _TOGETHER)
    results = tf.TensorArray(tf.float32, pieces, infer_shape=False, element_shape=None)

    def step(number, results):
        first = number * _TOGETHER
        return number + 1, results.write(number, function(rows[first : first + _TOGETHER]))

    # One at a time is the point.
    _, results = tf.while_loop(
        lambda number, _: number < pieces, step, (0, results), parallel_iterations=1
    )
    return results.concat()


def _next_version(folder: Path) -> int:
    return max(versions(folder), default=0) + 1


def versions(folder: Path) -> list[int]:
    """The integer versions of a model that are in its folder, smallest first."""
    if not folder.is_dir():
        return []
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal())
