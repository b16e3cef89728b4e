"""Predict with an exported model on disk."""

import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from serkit.errors import InputError, check_choice, check_range
from serkit.export import signatures
from serkit.export.operations import check_operations
from serkit.export.versions import find_version, read_details
from serkit.serving.prediction import (
    Example,
    Prediction,
    read_example,
    require_floats,
    to_text,
)

_BATCH_SIZE = 16
"""Number of files that the model predicts at once."""


class ExportedModel:
    """A SavedModel of :func:`serkit.export.saved_model.export_model`, loaded to predict files.

    Args:
        path: the folder of a version, or the folder of all versions, of which the newest is loaded.
        trust: load the model even if it reads or writes files, or runs Python code.

    Attributes:
        path: the folder of the version.
        details: content of the version's ``serkit.json``, such as ``classes`` and ``spec``.

    Raises:
        InputError: if the model does not exist, is not one that serkit exported, lacks an output
            because an older version of serkit exported it, or is damaged; without ``trust``, as
            :func:`serkit.export.operations.check_operations`.

    Example:
        .. code-block:: python

            model = serkit.load_model("saved_models/demo/1")
            print(model.classes)
            print(model.predict("a.wav").label)
            predictions = list(model.predict(["a.wav", "b.wav"]))
    """

    def __init__(self, path: Path | str, *, trust: bool = False) -> None:
        self.path: Path = find_version(Path(path))
        import tensorflow as tf

        if not trust:
            check_operations(self.path)
        try:
            self.details: dict[str, Any] = read_details(self.path, classes=list, spec=dict)
            self._model = tf.saved_model.load(str(self.path))
            outputs = self._model.signatures[signatures.WAV].structured_outputs
        except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"model {self.path} cannot be loaded: {reason}") from error
        if missing := sorted({*signatures.OUTPUTS} - {*outputs}):
            raise InputError(
                f"model {self.path} has no outputs {', '.join(missing)}; valid is one that this "
                "version of serkit exported: export it again"
            )

    @overload
    def predict(
        self,
        recordings: Path | str | npt.NDArray[Any],
        samples: int | None = None,
        *,
        speaker: npt.NDArray[Any] | None = None,
    ) -> Prediction: ...

    @overload
    def predict(
        self,
        recordings: Sequence[Path | str],
        samples: int | None = None,
        *,
        speaker: npt.NDArray[Any] | None = None,
    ) -> Iterator[Prediction]: ...

    def predict(
        self,
        recordings: Path | str | npt.NDArray[Any] | Sequence[Path | str],
        samples: int | None = None,
        *,
        speaker: npt.NDArray[Any] | None = None,
    ) -> Prediction | Iterator[Prediction]:
        """Predict one recording, or files in their order.

        A file that cannot be used does not affect the others; its prediction has a ``problem``.

        Args:
            recordings: a WAV, FLAC, MP3 or Ogg Vorbis file; a waveform, float32 ``(samples,)`` in
                [-1, 1] at the rate of the model's spec (16 kHz); or several files. For all files of
                a folder see :meth:`predict_folder`.
            samples: number of Monte Carlo samples, 1 or more, for a model with random layers. None
                for the number that was exported with the model. Not for waveforms.
            speaker: the speaker of the recordings, as :meth:`enroll` returns it. Not for waveforms.

        Returns:
            For one recording its prediction; for several an iterator, which predicts batch by
            batch.

        Raises:
            InputError: if ``samples`` is less than 1, or is given for a waveform or for a model
                without random layers; if ``speaker`` is not of this model; if a waveform does not
                have one axis, or has integers; for bytes, which :meth:`predict_wav` takes; or for
                anything else.
        """
        self.check_samples(samples)
        if isinstance(recordings, bytes | bytearray | memoryview):
            raise InputError(
                "`recordings` must be paths or a waveform. Received: bytes, of which `predict_wav` "
                "takes a list."
            )
        if isinstance(recordings, np.ndarray):
            return self._predict_waveform(recordings, samples, speaker)
        if isinstance(recordings, Path | str):
            example = read_example(recordings)
            if os.path.isdir(recordings):
                example = replace(example, problem=f"{example.problem}, or use `predict_folder`")
            (prediction,) = self._predict([example], samples, speaker)
            return prediction
        if not isinstance(recordings, Iterable):
            raise InputError(
                "`recordings` must be a path, a waveform or several paths. "
                f"Received: {recordings!r}."
            )
        return self._predict(map(read_example, recordings), samples, speaker)

    def predict_folder(
        self, folder: Path | str, samples: int | None = None
    ) -> Iterator[Prediction]:
        """Predict the recordings below a folder, sorted by path.

        Args:
            folder: folder of recordings, at any depth.
            samples: as for :meth:`predict`.

        Returns:
            An iterator of one prediction per recording.

        Raises:
            InputError: as :meth:`predict`, or if ``folder`` is not a folder.
        """
        from serkit.datasets.roots import find_recordings

        self.check_samples(samples)
        if not Path(folder).is_dir():
            raise InputError(f"`folder` must be a folder. Received: {folder}.")
        paths, _ = find_recordings(Path(folder), "")
        return self._predict((read_example(Path(folder, path)) for path in paths), samples)

    def predict_wav(
        self,
        contents: Iterable[bytes],
        samples: int | None = None,
        *,
        speaker: npt.NDArray[Any] | None = None,
    ) -> Iterator[Prediction]:
        """Predict whole WAV files in memory, named "0", "1", …

        Args:
            contents: bytes of WAV files.
            samples: as for :meth:`predict`.
            speaker: as for :meth:`predict`.

        Yields:
            A prediction per file.

        Raises:
            InputError: as :meth:`predict`.
        """
        self.check_samples(samples)
        examples = (Example(str(index), bytes(wav)) for index, wav in enumerate(contents))
        yield from self._predict(examples, samples, speaker)

    def enroll(
        self, recordings: Path | str | Sequence[Path | str], label: str | None = None
    ) -> npt.NDArray[np.float32]:
        """Estimate the voice of a speaker from some recordings, for better predictions of others.

        Args:
            recordings: files of one speaker, five or more of various classes if possible.
            label: the class of all of them, such as ``neutral``; None if it is not known.

        Returns:
            float32 ``(speaker,)``, the argument ``speaker`` of :meth:`predict`.

        Raises:
            InputError: if the model cannot adapt to speakers, there is no such class, there are no
                recordings, or one cannot be used.

        Example:
            .. code-block:: python

                ann = model.enroll(["ann1.wav", "ann2.wav", "ann3.wav", "ann4.wav", "ann5.wav"])
                print(model.predict("ann6.wav", speaker=ann).label)

        Source: see :class:`serkit.models.speaker_adaptive.SpeakerAdaptiveLDA`.
        """
        import tensorflow as tf

        self._require_enrollment()
        if label is not None:
            check_choice("label", label, self.classes)
        number = -1 if label is None else self.classes.index(label)
        files = [recordings] if isinstance(recordings, Path | str) else recordings
        if not (examples := [read_example(file) for file in files]):
            raise InputError("`recordings` must be one or more files. Received: none.")
        tensors = self._model.signatures[signatures.ENROLL](
            **{
                signatures.WAV_BYTES: tf.constant([example.value for example in examples]),
                signatures.CLASS_NUMBER: tf.fill([len(examples)], number),
            }
        )
        for example, status in zip(examples, tensors[signatures.STATUS].numpy(), strict=True):
            if problem := example.problem or to_text(status):
                raise InputError(f"{example.name} cannot be used for enrollment: {problem}")
        return tensors[signatures.SPEAKER].numpy()[0]

    @property
    def classes(self) -> tuple[str, ...]:
        """Labels in the order of the probabilities."""
        return tuple(self.details["classes"])

    @property
    def sample_rate(self) -> int:
        """Sample rate in Hz of the waveforms that :meth:`predict` takes."""
        return int(self.details["spec"]["sample_rate"])

    def __repr__(self) -> str:
        folder = self.path.resolve()
        return (
            f"{type(self).__name__}({folder.parent.name}, version {folder.name}: "
            f"{', '.join(self.classes)})"
        )

    def check_samples(self, samples: int | None) -> None:
        """Raise the errors of :meth:`predict` if the model does not accept ``samples``."""
        if samples is None:
            return
        check_range("samples", samples, 1)
        if signatures.SAMPLED not in self._model.signatures:
            raise InputError(
                f"`samples` must not be given for the model {self.path}, which has no random "
                f"layers. Received: {samples}."
            )

    def _require_enrollment(self) -> None:
        if signatures.ENROLL not in self._model.signatures:
            raise InputError(
                f"model {self.path} cannot adapt to speakers; valid is a model of a speech encoder "
                "that `serkit train` made of speakers with ten clips or more"
            )

    def _check_speaker(self, speaker: npt.NDArray[Any]) -> None:
        self._require_enrollment()
        inputs = self._model.signatures[signatures.ENROLLED].structured_input_signature[1]
        shape = tuple(inputs[signatures.SPEAKER].shape[1:])
        if np.shape(speaker) != shape or not np.isfinite(speaker).all():
            raise InputError(
                f"`speaker` must be what `enroll` of this model returned, finite, of shape {shape}."
                f" Received: {speaker!r}, of shape {np.shape(speaker)}."
            )

    def _predict_waveform(
        self,
        waveform: npt.NDArray[Any],
        samples: int | None,
        speaker: npt.NDArray[Any] | None,
    ) -> Prediction:
        import tensorflow as tf

        if samples is not None or speaker is not None or waveform.ndim != 1:
            raise InputError(
                "`recordings` must be a file, a waveform with one axis, without `samples` and "
                f"`speaker`, or several files. Received: an array of shape {waveform.shape}, "
                f"samples={samples}, {'a' if speaker is not None else 'no'} speaker."
            )
        require_floats(waveform, "recordings")
        batch = tf.constant(waveform[np.newaxis], tf.float32)
        tensors = self._model.signatures[signatures.WAVEFORM](**{signatures.WAVEFORM: batch})
        row = {name: tensors[name].numpy()[0] for name in signatures.OUTPUTS}
        return Prediction.of_outputs("", self.classes, row)

    def _predict(
        self,
        examples: Iterable[Example],
        samples: int | None,
        speaker: npt.NDArray[Any] | None = None,
    ) -> Iterator[Prediction]:
        import tensorflow as tf

        if speaker is not None:
            self._check_speaker(speaker)
        remaining = iter(examples)
        while batch := list(itertools.islice(remaining, _BATCH_SIZE)):
            signature = signatures.WAV
            inputs = {signatures.WAV_BYTES: tf.constant([example.value for example in batch])}
            if samples is not None:
                signature = signatures.SAMPLED
                inputs[signatures.SAMPLES] = tf.fill([len(batch)], tf.constant(samples, tf.int32))
            if speaker is not None:
                signature = signatures.ENROLLED
                rows = np.tile(np.asarray(speaker, np.float32), (len(batch), 1))
                inputs[signatures.SPEAKER] = tf.constant(rows)
            tensors = self._model.signatures[signature](**inputs)
            outputs = {name: tensors[name].numpy() for name in signatures.OUTPUTS}
            for index, example in enumerate(batch):
                if example.problem:
                    yield Prediction.failed(example.name, example.problem)
                else:
                    row = {name: values[index] for name, values in outputs.items()}
                    yield Prediction.of_outputs(example.name, self.classes, row)


def load_model(path: Path | str, *, trust: bool = False) -> ExportedModel:
    """Load an exported model.

    Args:
        path: the folder of a version, such as ``saved_models/demo/1``, or the folder of all
            versions, of which the newest is loaded.
        trust: as for :class:`ExportedModel`.

    Returns:
        A model whose :meth:`ExportedModel.predict` takes files and yields a
        :class:`~serkit.serving.prediction.Prediction` for each.

    Raises:
        InputError: as :class:`ExportedModel`.

    Example:
        .. code-block:: python

            model = serkit.load_model("saved_models/demo")
            for prediction in model.predict(["a.wav", "b.wav"]):
                print(prediction.file, "unknown" if prediction.abstain else prediction.label)
    """
    return ExportedModel(path, trust=trust)
