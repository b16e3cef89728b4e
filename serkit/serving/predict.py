"""Prediction with an exported model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from serkit.errors import InputError
from serkit.files import read_json
from serkit.serving.export import DETAILS, versions

_BATCH = 16


@dataclass(frozen=True)
class Prediction:
    """What the model says of one file.

    Attributes:
        file: as it was given.
        label: the most probable class, empty if the file could not be used.
        probabilities: by class, summing to 1; empty if the file could not be used.
        problem: empty, or why the file could not be used.
    """

    file: str
    label: str
    probabilities: dict[str, float]
    problem: str = ""


class Predictor:
    """A SavedModel written by :func:`serkit.serving.export.export_classifier`.

    Args:
        path: a version's folder, or the folder of all versions, of which the newest is taken.

    Raises:
        InputError: if there is no such model, or it is not one of serkit's, or it is damaged.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = _find_version(Path(path))
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
        rows = (outputs[name].numpy() for name in ("probabilities", "label", "status"))
        for file, problem, values, label, status in zip(files, problems, *rows, strict=True):
            problem = problem or status.decode()
            if problem:
                yield Prediction(str(file), "", {}, problem)
            else:
                named = dict(zip(self.details["classes"], map(float, values), strict=True))
                yield Prediction(str(file), label.decode(), named)


def _read(file: Path | str) -> tuple[bytes, str]:
    try:
        return Path(file).read_bytes(), ""
    except OSError as error:
        return b"", (error.strerror or str(error)).lower()


def _find_version(path: Path) -> Path:
    if not path.is_dir():
        raise InputError(f"model {path} does not exist; a SavedModel's folder is expected")
    numbers = versions(path)
    version = path / str(numbers[-1]) if numbers else path
    if not (version / "saved_model.pb").is_file() or not (version / DETAILS).is_file():
        raise InputError(f"{path} is not a model exported by serkit: no saved_model.pb, {DETAILS}")
    return version
