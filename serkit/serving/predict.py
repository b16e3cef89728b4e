"""Prediction with an exported model at hand."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from serkit.errors import InputError, check_range
from serkit.files import read_json
from serkit.serving import signatures
from serkit.serving.example import read_example
from serkit.serving.prediction import Prediction
from serkit.serving.versions import DETAILS, find_version

_BATCH = 16


class Predictor:
    """A SavedModel written by :func:`serkit.serving.export.export_classifier`.

    Args:
        path: a version's folder, or the folder of all versions, of which the newest is taken.

    Raises:
        InputError: if there is no such model, or it is not one of serkit's, or of an older one
            that told less, or it is damaged.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = find_version(Path(path))
        import tensorflow as tf

        try:
            self.details = read_json(self.path / DETAILS)
            self._model = tf.saved_model.load(str(self.path))
            known = self._model.signatures[signatures.WAV].structured_outputs
        except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"model {self.path} cannot be loaded: {reason}") from error
        if missing := sorted({*signatures.OUTPUTS} - {*known}):
            raise InputError(
                f"model {self.path} does not tell {', '.join(missing)}; valid is one that this "
                "version of serkit exported: export it again"
            )

    def predict(
        self, files: Sequence[Path | str], samples: int | None = None
    ) -> Iterator[Prediction]:
        """Predict file after file, in their order; a bad one does not stop the others.

        Args:
            files: WAV, FLAC, MP3 and Ogg Vorbis files.
            samples: how often a model that draws is asked, 1 or more; by default as often as was
                exported with it.

        Raises:
            InputError: if ``samples`` is given and the model does not draw.
        """
        self.check(samples)
        for start in range(0, len(files), _BATCH):
            yield from self._predict_batch(files[start : start + _BATCH], samples)

    def check(self, samples: int | None) -> None:
        """Whether the model can be asked so; arguments and errors as for :meth:`predict`."""
        if samples is None:
            return
        check_range("samples", samples, 1)
        if signatures.SAMPLED not in self._model.signatures:
            raise InputError(
                f"samples={samples} for model {self.path}, which always answers the same; valid is "
                f"a model that draws, with the signature {signatures.SAMPLED!r}"
            )

    def _question(self, samples: int | None, count: int) -> tuple[Any, dict[str, Any]]:
        """A signature, and what goes into it beside ``count`` files."""
        import tensorflow as tf

        if samples is None:
            return self._model.signatures[signatures.WAV], {}
        numbers = tf.fill([count], tf.constant(samples, tf.int32))
        return self._model.signatures[signatures.SAMPLED], {signatures.SAMPLES: numbers}

    def _predict_batch(
        self, files: Sequence[Path | str], samples: int | None
    ) -> Iterator[Prediction]:
        import tensorflow as tf

        examples = list(map(read_example, files))
        contents = tf.constant([example.value for example in examples])
        signature, more = self._question(samples, len(examples))
        found = signature(**{signatures.WAV_BYTES: contents}, **more)
        outputs = {name: found[name].numpy() for name in signatures.OUTPUTS}
        for row, example in enumerate(examples):
            if example.problem:
                yield Prediction.failed(example.name, example.problem)
            else:
                values = {name: value[row] for name, value in outputs.items()}
                yield Prediction.of_outputs(example.name, self.details["classes"], values)
