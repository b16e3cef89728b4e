"""Keras callbacks: exact resume, best weights, early stopping, stop on NaN."""

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pandas as pd

from serkit.errors import DivergedError, ResumeError
from serkit.files import replacing

_STATE_FILE = "state.npz"


class Resume(keras.callbacks.Callback):
    """Save all variables and the history after every epoch; restore them on construction.

    Pass the epoch to resume from to ``fit``::

        resume = Resume(folder, model.variables + model.optimizer.variables)
        model.fit(training_batches(…, first_step=resume.epoch * steps), steps_per_epoch=steps,
                  initial_epoch=resume.epoch, epochs=epochs, callbacks=[resume])

    Losses after a kill and a restart equal those of an uninterrupted training run if three
    conditions hold: the batches depend on the step alone, the optimiser is built, and
    ``tf.config.experimental.enable_op_determinism()`` was called. (Keras' BackupAndRestore saves
    neither the state of random layers nor the history.)

    Args:
        folder: folder for ``state.npz`` and ``history.csv``, each replaced as a whole.
        variables: all variables that training changes, in a fixed order.

    Attributes:
        epoch: number of finished epochs.
        history: one dictionary of metrics per finished epoch, with the key ``epoch`` counted from
            1.

    Raises:
        ResumeError: if the state in ``folder`` cannot be read, or its shapes are not those of
            ``variables``.
    """

    def __init__(self, folder: Path | str, variables: Sequence[keras.Variable]) -> None:
        super().__init__()
        self._folder = Path(folder)
        self._variables = list(variables)
        self.epoch: int = 0
        self.history: list[dict[str, float]] = []
        self._restore()

    @property
    def _state_file(self) -> Path:
        return self._folder / _STATE_FILE

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
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
                f"{self._state_file} is of a training run with other variables. Choose another "
                "folder, or remove the file to start again"
            )
        for variable, array in zip(self._variables, arrays, strict=True):
            variable.assign(array)
        self.history, self.epoch = history, len(history)


def read_state(folder: Path | str) -> tuple[list[npt.NDArray[Any]], list[dict[str, float]]]:
    """Read the variables, in order, and the history that :class:`Resume` saved in a folder.

    Raises:
        ResumeError: if the state file cannot be read.
    """
    path = Path(folder, _STATE_FILE)
    try:
        with np.load(path) as state:
            variable_count = len(state.files) - 1  # all but the history
            arrays = [state[f"v{i}"] for i in range(variable_count)]
            return arrays, json.loads(str(state["history"]))
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ResumeError(f"{path} cannot be read: {error}") from error


class KeepBest(keras.callbacks.Callback):
    """Save the model's weights whenever a metric reaches a new maximum.

    The old file stays until the new one is complete. Keras' ModelCheckpoint writes in place, and a
    kill during the write leaves an incomplete file.

    Args:
        path: path of the weights file, which ends in ``.weights.h5``.
        monitor: name of the metric; higher is better.
        best: highest value of the metric so far, for a resumed training run.
    """

    def __init__(self, path: Path | str, monitor: str, best: float = float("-inf")) -> None:
        super().__init__()
        self._path, self._monitor, self._best = Path(path), monitor, best

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        value = float((logs or {})[self._monitor])
        if value > self._best:
            with replacing(self._path) as partial:
                self.model.save_weights(partial)
            self._best = value


def epochs_without_gain(history: Sequence[dict[str, float]], monitor: str) -> int:
    """Return the number of epochs since the best one, 0 for an empty history.

    Higher is better; of equal values the first is the best.

    Example:
        >>> epochs_without_gain([{"uar": 0.3}, {"uar": 0.5}, {"uar": 0.4}], "uar")
        1
    """
    values = [row[monitor] for row in history]
    return len(values) - 1 - values.index(max(values)) if values else 0


class StopEarly(keras.callbacks.Callback):
    """Stop ``fit`` after ``patience`` epochs in a row without a gain.

    The epochs without a gain are counted from the history, so that a resumed training run stops at
    the same epoch as an uninterrupted one. Keras' EarlyStopping starts counting anew.

    Args:
        monitor: name of the metric; higher is better.
        patience: number of epochs, 1 or more.
        history: one dictionary of metrics per finished epoch. Another callback, such as
            :class:`Resume`, must append each new epoch *before* this callback is called.
    """

    def __init__(self, monitor: str, patience: int, history: Sequence[dict[str, float]]) -> None:
        super().__init__()
        self._monitor, self._patience, self._history = monitor, patience, history

    @property
    def is_over(self) -> bool:
        """Whether the last ``patience`` epochs had no gain."""
        return epochs_without_gain(self._history, self._monitor) >= self._patience

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if self.is_over:
            self.model.stop_training = True


class StopWhenDiverged(keras.callbacks.Callback):
    """Stop ``fit`` at the step at which a reported metric or a weight is NaN or infinite.

    Put this callback before those that save files, so that the files of earlier epochs are kept.

    Args:
        variables: variables to check at the end of each epoch. The last step may make weights
            infinite or NaN after its loss was computed.
        steps_per_epoch: number of steps in an epoch, with which the error message counts steps.

    Raises:
        DivergedError: in ``fit``, if a value is not finite; names the value, the step and the
            epoch.
    """

    def __init__(self, variables: Sequence[keras.Variable], steps_per_epoch: int) -> None:
        super().__init__()
        self._variables, self._steps, self._epoch = list(variables), steps_per_epoch, 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        # Keras reports means over the epoch so far: a mean that is NaN stays NaN.
        for name, value in (logs or {}).items():
            if not np.isfinite(float(value)):
                self._stop(f"{name} is {float(value)}", batch + 1)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        for variable in self._variables:
            if not np.isfinite(np.asarray(variable)).all():
                self._stop(f"{variable.path} is not finite", self._steps)

    def _stop(self, problem: str, step_in_epoch: int) -> None:
        step = self._epoch * self._steps + step_in_epoch
        saved = (
            f"the state after epoch {self._epoch} is kept" if self._epoch else "nothing was kept"
        )
        raise DivergedError(
            f"{problem} at step {step} (epoch {self._epoch + 1}); {saved}. "
            "Lower learning rates help most often"
        )
