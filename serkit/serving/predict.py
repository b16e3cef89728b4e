"""Prediction with an exported model."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from serkit.errors import InputError
from serkit.files import read_json
from serkit.serving import signatures
from serkit.serving.prediction import Prediction
from serkit.serving.versions import DETAILS, find_version

_BATCH = 16


class Predictor:
    """A SavedModel written by :func:`serkit.serving.export.export_classifier`.

    Args:
        path: a version's folder, or the folder of all versions, of which the newest is taken.

    Raises:
        InputError: if there is no such model, or it is not one of serkit's, or it is damaged.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = find_version(Path(path))
        import tensorflow as tf

        try:
            self.details = read_json(self.path / DETAILS)
            self._model = tf.saved_model.load(str(self.path))
            self._serve = self._model.signatures["serving_default"]
        except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"model {self.path} cannot be loaded: {reason}") from error

    def predict(self, files: Sequence[Path | str]) -> Iterator[Prediction]:
        """Predict file after file, in their order; a bad one does not stop the others."""
        for start in range(0, len(files), _BATCH):
            yield from self._predict_batch(files[start : start + _BATCH])

    def _predict_batch(self, files: Sequence[Path | str]) -> Iterator[Prediction]:
        import tensorflow as tf

        contents, problems = zip(*map(_read, files), strict=True)
        outputs = self._serve(wav_bytes=tf.constant(contents))
        found = {name: outputs[name].numpy() for name in signatures.OUTPUTS}
        for row, (file, problem) in enumerate(zip(files, problems, strict=True)):
            if problem:
                yield Prediction.failed(str(file), problem)
            else:
                values = {name: found[name][row] for name in found}
                yield Prediction.of_outputs(str(file), self.details["classes"], values)


def _read(file: Path | str) -> tuple[bytes, str]:
    try:
        return Path(file).read_bytes(), ""
    except OSError as error:
        return b"", (error.strerror or str(error)).lower()
