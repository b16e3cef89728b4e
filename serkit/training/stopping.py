"""A training ends when it has got no better for some epochs."""

from collections.abc import Sequence

import keras


def epochs_without_gain(history: Sequence[dict[str, float]], monitor: str) -> int:
    """Number of epochs since the best one, 0 for none; higher is better, the first best counts."""
    values = [row[monitor] for row in history]
    return len(values) - 1 - values.index(max(values)) if values else 0


class StopEarly(keras.callbacks.Callback):
    """Ends ``fit`` after an epoch that makes ``patience`` of them in a row without a gain.

    What it knows are the epochs that went before, so that a resumed training ends where it would
    have ended anyway; Keras' EarlyStopping begins to count anew.

    Args:
        monitor: name of the metric; higher is better.
        patience: epochs, 1 or more.
        history: of the epochs so far, to which somebody else, such as
            :class:`serkit.training.resume.Resume`, adds each new one *before* this callback's turn.
    """

    def __init__(self, monitor: str, patience: int, history: Sequence[dict[str, float]]) -> None:
        super().__init__()
        self._monitor, self._patience, self._history = monitor, patience, history

    @property
    def is_over(self) -> bool:
        """Whether the epochs so far were enough."""
        return epochs_without_gain(self._history, self._monitor) >= self._patience

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        if self.is_over:
            self.model.stop_training = True
