"""Predict with an exported model on disk, here or on a Ray cluster."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from serkit.errors import InputError, check_range
from serkit.export import signatures
from serkit.export.versions import DETAILS, find_version
from serkit.files import read_json
from serkit.serving.prediction import Prediction, read_example
from serkit.tasks.ray import RayEngine, RaySettings

_BATCH = 16


class ExportedModel:
    """A SavedModel of :func:`serkit.export.saved_model.export_model`, loaded to predict files.

    Args:
        path: the folder of a version, or the folder of all versions. The newest version is then
            used.

    Attributes:
        path: the folder of the version.
        details: content of the version's ``serkit.json``, such as ``classes`` and ``spec``.

    Raises:
        InputError: if the model does not exist, is not one that serkit exported, lacks an output
            because an older version of serkit exported it, or is damaged.

    Example:
        .. code-block:: python

            model = serkit.load_model("saved_models/demo/1")
            print(model.details["classes"])
            predictions = list(model.predict(["a.wav", "b.wav"]))
    """

    def __init__(self, path: Path | str) -> None:
        self.path: Path = find_version(Path(path))
        import tensorflow as tf

        try:
            self.details: dict[str, Any] = read_json(self.path / DETAILS)
            self._model = tf.saved_model.load(str(self.path))
            known = self._model.signatures[signatures.WAV].structured_outputs
        except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"model {self.path} cannot be loaded: {reason}") from error
        if missing := sorted({*signatures.OUTPUTS} - {*known}):
            raise InputError(
                f"model {self.path} has no outputs {', '.join(missing)}; valid is one that this "
                "version of serkit exported: export it again"
            )

    def predict(
        self, files: Sequence[Path | str], samples: int | None = None
    ) -> Iterator[Prediction]:
        """Predict files in their order; a file that cannot be used does not affect the others.

        Args:
            files: WAV, FLAC, MP3 or Ogg Vorbis files.
            samples: number of Monte Carlo samples, 1 or more, for a model with random layers. None
                for the number that was exported with the model.

        Yields:
            A prediction per file.

        Raises:
            InputError: if ``samples`` is less than 1, or is given for a model without random
                layers.
        """
        self.check(samples)
        for start in range(0, len(files), _BATCH):
            yield from self._predict_batch(files[start : start + _BATCH], samples)

    def check(self, samples: int | None) -> None:
        """Check ``samples``; the argument and the errors are those of :meth:`predict`."""
        if samples is None:
            return
        check_range("samples", samples, 1)
        if signatures.SAMPLED not in self._model.signatures:
            raise InputError(
                f"`samples` must be None for the model {self.path}, which has no random layers. "
                f"Received: {samples}."
            )

    def _signature_of(self, samples: int | None, count: int) -> tuple[Any, dict[str, Any]]:
        """Return a signature, and its inputs other than the ``count`` files."""
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
        signature, more = self._signature_of(samples, len(examples))
        found = signature(**{signatures.WAV_BYTES: contents}, **more)
        outputs = {name: found[name].numpy() for name in signatures.OUTPUTS}
        for row, example in enumerate(examples):
            if example.problem:
                yield Prediction.failed(example.name, example.problem)
            else:
                values = {name: value[row] for name, value in outputs.items()}
                yield Prediction.of_outputs(example.name, self.details["classes"], values)


def load_model(path: Path | str) -> ExportedModel:
    """Load an exported model.

    Args:
        path: the folder of a version, such as ``saved_models/demo/1``, or the folder of all
            versions. The newest version is then used.

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
    return ExportedModel(path)


def predict_on_ray(
    model: Path | str,
    files: Sequence[Path | str],
    settings: RaySettings,
    samples: int | None = None,
) -> Iterator[Prediction]:
    """Predict files on a Ray cluster, in their order.

    Ray Data distributes the files in batches over as many processes as the cluster's CPUs allow.
    Each process loads the model once. If a node is lost, Ray replaces its process, and its batches
    are predicted again.

    Args:
        model: path of the model, see :class:`ExportedModel`; it must exist on all nodes.
        files: paths of the files; they must exist on all nodes.
        settings: address of the cluster, and resources of a process.
        samples: see :meth:`ExportedModel.predict`.

    Yields:
        A prediction per file.

    Raises:
        InputError: if the model does not exist, if ``samples`` is given for a model without random
            layers, or if Ray is not installed.
        SchedulerError: if no cluster answers at the address.
    """
    # Check the model before the connection to the cluster.
    predictor = ExportedModel(model)
    predictor.check(samples)
    path = predictor.path.resolve()
    with RayEngine(settings) as engine:
        import ray

        context = ray.data.DataContext.get_current()
        context.execution_options.preserve_order = True
        context.enable_progress_bars = False
        room = ray.cluster_resources().get("CPU", 1) // (settings.cpus or 1)
        rows = [{"given": str(file), "file": os.path.abspath(file)} for file in files]
        found = ray.data.from_items(rows, override_num_blocks=_blocks(len(rows))).map_batches(
            _Process,
            fn_constructor_args=(str(path), samples),
            batch_size=_BATCH_OF_A_TASK,
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=max(1, int(room))),
            num_cpus=settings.cpus,
            num_gpus=settings.gpus,
            runtime_env={"env_vars": engine.variables},
        )
        for row in found.iter_rows():
            # Return the path that the caller gave, not the absolute path that the nodes use.
            yield Prediction(**json.loads(row["prediction"]) | {"file": row["given"]})


_BATCH_OF_A_TASK = 64


def _blocks(files: int) -> int:
    """Return the number of blocks. A process receives one block at a time."""
    return max(1, -(-files // _BATCH_OF_A_TASK))


class _Process:
    """Actor of Ray Data that has loaded the model."""

    def __init__(self, model: str, samples: int | None) -> None:
        self._predictor, self._samples = ExportedModel(model), samples

    def __call__(self, batch: Mapping[str, npt.NDArray[Any]]) -> dict[str, Any]:
        found = self._predictor.predict(list(batch["file"]), self._samples)
        # JSON instead of a column per class, because only the model knows its classes.
        return {
            "given": batch["given"],
            "prediction": np.array([json.dumps(vars(one)) for one in found]),
        }
