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
    model: Path | str, files: Sequence[Path | str], settings: RaySettings
) -> Iterator[Prediction]:
    """What a model says of files, in their order, by as many processes as there is room for.

    The files go through Ray Data in batches; each process loads the model once. A process whose
    node is lost is replaced, and its batches are predicted again.

    Args:
        model: as for :class:`serkit.serving.predict.Predictor`; all nodes need to find it there.
        files: the same.
        settings: where, and what a process takes.

    Raises:
        InputError: if there is no such model, or Ray is not installed.
        GridError: if nobody answers at the address.
    """
    # Known to be one before anybody is asked for anything.
    path = Predictor(model).path.resolve()
    with RayEngine(settings) as engine:
        import ray

        context = ray.data.DataContext.get_current()
        context.execution_options.preserve_order = True
        context.enable_progress_bars = False
        room = ray.cluster_resources().get("CPU", 1) // (settings.cpus or 1)
        rows = [{"given": str(file), "file": os.path.abspath(file)} for file in files]
        found = ray.data.from_items(rows, override_num_blocks=_blocks(len(rows))).map_batches(
            _Process,
            fn_constructor_args=(str(path),),
            batch_size=_BATCH,
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=max(1, int(room))),
            num_cpus=settings.cpus,
            num_gpus=settings.gpus,
            runtime_env={"env_vars": engine.variables},
        )
        for row in found.iter_rows():
            yield Prediction(
                *(row["given"], row["label"], json.loads(row["probabilities"]), row["problem"])
            )


_BATCH = 64


def _blocks(files: int) -> int:
    """A block is what one process is handed at a time."""
    return max(1, -(-files // _BATCH))


class _Process:
    """A process that has loaded the model."""

    def __init__(self, model: str) -> None:
        self._predictor = Predictor(model)

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, Any]:
        found = list(self._predictor.predict(list(batch["file"])))
        return {
            "given": batch["given"],
            "label": np.array([one.label for one in found]),
            # Classes are not columns: what they are only the model knows.
            "probabilities": np.array([json.dumps(one.probabilities) for one in found]),
            "problem": np.array([one.problem for one in found]),
        }
