"""Prediction of many recordings on a Ray cluster."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from serkit.grid.ray_engine import RayEngine, RaySettings
from serkit.serving.predict import Predictor
from serkit.serving.prediction import Prediction


def predict_on_ray(
    model: Path | str,
    files: Sequence[Path | str],
    settings: RaySettings,
    samples: int | None = None,
) -> Iterator[Prediction]:
    """What a model says of files, in their order, by as many processes as there is room for.

    The files go through Ray Data in batches; each process loads the model once. A process whose
    node is lost is replaced, and its batches are predicted again.

    Args:
        model: as for :class:`serkit.serving.predict.Predictor`; all nodes need to find it there.
        files: the same.
        settings: where, and what a process takes.
        samples: as for :meth:`serkit.serving.predict.Predictor.predict`.

    Raises:
        InputError: if there is no such model, or it does not draw and ``samples`` is given, or Ray
            is not installed.
        GridError: if nobody answers at the address.
    """
    # Known to be one before anybody is asked for anything.
    predictor = Predictor(model)
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
            batch_size=_BATCH,
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=max(1, int(room))),
            num_cpus=settings.cpus,
            num_gpus=settings.gpus,
            runtime_env={"env_vars": engine.variables},
        )
        for row in found.iter_rows():
            # With the path as it was given, not as it is looked for elsewhere.
            yield Prediction(**json.loads(row["prediction"]) | {"file": row["given"]})


_BATCH = 64


def _blocks(files: int) -> int:
    """A block is what one process is handed at a time."""
    return max(1, -(-files // _BATCH))


class _Process:
    """A process that has loaded the model."""

    def __init__(self, model: str, samples: int | None) -> None:
        self._predictor, self._samples = Predictor(model), samples

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, Any]:
        found = self._predictor.predict(list(batch["file"]), self._samples)
        # Classes are not columns: what they are only the model knows.
        return {
            "given": batch["given"],
            "prediction": np.array([json.dumps(vars(one)) for one in found]),
        }
