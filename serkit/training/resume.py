"""A training that can be killed at any moment and goes on as if it had not been."""

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from serkit.errors import ResumeError
from serkit.files import replacing

_STATE = "state.npz"


class Resume(keras.callbacks.Callback):
    """Keeps all variables and the history after every epoch; restores them when made.

    ``fit`` has to be told where to go on::

        resume = Resume(folder, model.variables + model.optimizer.variables)
        model.fit(training_batches(…, first_step=resume.epoch * steps), steps_per_epoch=steps,
                  initial_epoch=resume.epoch, epochs=epochs, callbacks=[resume])

    With batches that depend on the step alone, a built optimizer and
    ``tf.config.experimental.enable_op_determinism()``, losses after a kill and a second start
    equal those of an uninterrupted training. (Keras' BackupAndRestore leaves out the
    state of random layers and knows nothing of the history.)

    Args:
        folder: gets ``state.npz`` and ``history.csv``, each replaced as a whole.
        variables: everything that training changes, in an order that does not change.

    Attributes:
        epoch: number of finished epochs.
        history: one dictionary of metrics per finished epoch, ``epoch`` counted from 1.

    Raises:
        ResumeError: if the state in ``folder`` has other variables than those given.
    """

    def __init__(self, folder: Path | str, variables: Sequence[keras.Variable]) -> None:
        super().__init__()
        self._folder = Path(folder)
        self._variables = list(variables)
        self.epoch = 0
        self.history: list[dict[str, float]] = []
        self._restore()

    @property
    def _state_file(self) -> Path:
        return self._folder / _STATE

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        logs = {name: float(value) for name, value in (logs or {}).items()}
        self.history.append({"epoch": epoch + 1, **logs})
        self.epoch = epoch + 1
        with replacing(self._folder / "history.csv") as partial:
            pd.DataFrame(self.history).to_csv(partial, index=False, lineterminator="\n")
        arrays = {f"v{i}": np.asarray(variable) for i, variable in enumerate(self._variables)}
        with replacing(self._state_file) as partial:
            np.savez(partial, history=json.dumps(self.history), **arrays)

    def _restore(self) -> None:
        if not self._state_file.exists():
            return
        arrays, history = read_state(self._folder)
        expected = [tuple(variable.shape) for variable in self._variables]
        if [array.shape for array in arrays] != expected:
            raise ResumeError(
                f"{self._state_file} was made by a training with other variables; "
                "choose another folder, or remove it to start again"
            )
        for variable, array in zip(self._variables, arrays, strict=True):
            variable.assign(array)
        self.history, self.epoch = history, len(history)


def read_state(folder: Path | str) -> tuple[list[np.ndarray], list[dict[str, float]]]:
    """All variables, in their order, and the history that :class:`Resume` kept in a folder.

    Raises:
        ResumeError: if they cannot be read.
    """
    path = Path(folder, _STATE)
    try:
        with np.load(path) as state:
            arrays = [state[f"v{i}"] for i in range(len(state.files) - 1)]
            return arrays, json.loads(str(state["history"]))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ResumeError(f"{path} cannot be read: {error}") from error
