"""Predict files with an exported model on a Ray cluster."""

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from serkit.serving.local import ExportedModel
from serkit.serving.prediction import Prediction
from serkit.tasks.ray import RayEngine, RaySettings

_RAY_BATCH_SIZE = 64
"""Number of files that a Ray process receives at once."""


def predict_on_ray(
    model: Path | str,
    files: Sequence[Path | str],
    settings: RaySettings,
    samples: int | None = None,
    *,
    trust: bool = False,
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
        trust: as for :class:`ExportedModel`.

    Yields:
        A prediction per file.

    Raises:
        InputError: if the model does not exist or is not trusted, if ``samples`` is given for a
            model without random layers, or if Ray is not installed.
        SchedulerError: if no cluster answers at the address.
    """
    # Find errors of the arguments before the connection to the cluster.
    exported_model = ExportedModel(model, trust=trust)
    exported_model.check_samples(samples)
    version_folder = exported_model.path.resolve()
    with RayEngine(settings) as engine:
        import ray

        context = ray.data.DataContext.get_current()
        context.execution_options.preserve_order = True
        context.enable_progress_bars = False
        max_processes = int(ray.cluster_resources().get("CPU", 1) // (settings.cpus or 1))
        rows = [{"file": str(file), "absolute_path": os.path.abspath(file)} for file in files]
        # A process receives one block at a time.
        block_count = max(1, math.ceil(len(rows) / _RAY_BATCH_SIZE))
        predicted_rows = ray.data.from_items(rows, override_num_blocks=block_count).map_batches(
            _PredictionActor,
            fn_constructor_args=(str(version_folder), samples),
            batch_size=_RAY_BATCH_SIZE,
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=max(1, max_processes)),
            num_cpus=settings.cpus,
            num_gpus=settings.gpus,
            runtime_env={"env_vars": engine.variables},
        )
        for row in predicted_rows.iter_rows():
            prediction = Prediction(**json.loads(row["prediction"]))
            # Return the path that the caller gave, not the absolute path that the nodes use.
            yield replace(prediction, file=row["file"])


class _PredictionActor:
    """Actor of Ray Data that loads the model once and predicts batches of files."""

    def __init__(self, model: str, samples: int | None) -> None:
        # The driver has checked the model.
        self._model, self._samples = ExportedModel(model, trust=True), samples

    def __call__(self, batch: Mapping[str, npt.NDArray[Any]]) -> dict[str, Any]:
        predictions = self._model.predict(list(batch["absolute_path"]), self._samples)
        # JSON instead of a column per class, because only the model knows its classes.
        return {
            "file": batch["file"],
            "prediction": np.array([json.dumps(vars(prediction)) for prediction in predictions]),
        }
