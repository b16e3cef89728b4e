"""The weights of the best epoch, kept while training goes on."""

from pathlib import Path

import keras

from serkit.files import replacing


class KeepBest(keras.callbacks.Callback):
    """Saves the model's weights whenever a metric is higher than ever before.

    Keras' ModelCheckpoint writes in place, and a kill in the middle leaves a torn file; here the
    old file stays until the new one is whole.

    Args:
        path: a file that ends in ``.weights.h5``.
        monitor: name of the metric; higher is better.
        best: its highest value so far, of a training that is resumed.
    """

    def __init__(self, path: Path | str, monitor: str, best: float = float("-inf")) -> None:
        super().__init__()
        self._path, self._monitor, self._best = Path(path), monitor, best

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        value = float((logs or {})[self._monitor])
        if value > self._best:
            with replacing(self._path) as partial:
                self.model.save_weights(partial)
            self._best = value
