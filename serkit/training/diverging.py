"""A training ends when its numbers are no longer numbers."""

from collections.abc import Sequence

import keras
import numpy as np

from serkit.errors import DivergedError


class StopWhenDiverged(keras.callbacks.Callback):
    """Ends ``fit`` at the step at which a reported number, or a weight, is NaN or infinite.

    What other callbacks have kept of earlier epochs stays as it is, if they come after this one.

    Args:
        variables: what is looked at at the end of each epoch: a last step may spoil the weights
            after its loss was computed.
        steps_per_epoch: to count steps.

    Raises:
        DivergedError: by ``fit``; names what is not finite, the step and the epoch.
    """

    def __init__(self, variables: Sequence[keras.Variable], steps_per_epoch: int) -> None:
        super().__init__()
        self._variables, self._steps, self._epoch = list(variables), steps_per_epoch, 0

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        # Means over the epoch so far: once one is NaN it stays so.
        for name, value in (logs or {}).items():
            if not np.isfinite(float(value)):
                self._stop(f"{name} is {float(value)}", batch + 1)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        for variable in self._variables:
            if not np.isfinite(np.asarray(variable)).all():
                self._stop(f"{variable.path} is not finite", self._steps)

    def _stop(self, what: str, step: int) -> None:
        kept = f"the state after epoch {self._epoch} is kept" if self._epoch else "nothing was kept"
        raise DivergedError(
            f"{what} at step {self._epoch * self._steps + step} (epoch {self._epoch + 1}); {kept}. "
            "Lower learning rates help most often"
        )
