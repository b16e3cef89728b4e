import keras
import numpy as np
import pytest

from serkit.training.callbacks import StopEarly, epochs_without_gain


@pytest.mark.parametrize(
    ("values", "expected"),
    [([], 0), ([0.5], 0), ([0.5, 0.4, 0.3], 2), ([0.5, 0.6, 0.6], 1), ([0.3, 0.4, 0.5], 0)],
)
def test_epochs_since_the_first_best_one(values, expected):
    assert epochs_without_gain([{"val_uar": value} for value in values], "val_uar") == expected


class _Told(keras.callbacks.Callback):
    """Adds to the history what it was told to, whatever the model does."""

    def __init__(self, history, values):
        super().__init__()
        self.history, self.values = history, values

    def on_epoch_end(self, epoch, logs=None):
        self.history.append({"val_uar": self.values[epoch]})


def _epochs(values, history, patience):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    stop = StopEarly("val_uar", patience, history)
    model.fit(
        *(np.zeros((2, 1)), np.zeros((2, 1))),
        initial_epoch=len(history),
        epochs=len(values),
        callbacks=[_Told(history, values), stop],
        verbose=0,
    )
    return len(history), stop.is_over


def test_it_stops_after_so_many_epochs_without_a_gain_and_not_before():
    assert _epochs([0.1, 0.3, 0.2, 0.3, 0.2, 0.9], [], patience=3) == (5, True)
    assert _epochs([0.1, 0.3, 0.2, 0.3, 0.4, 0.2], [], patience=3) == (6, False)


def test_resumed_it_stops_where_it_would_have_stopped():
    before = [{"val_uar": value} for value in (0.1, 0.3, 0.2)]
    assert _epochs([0.1, 0.3, 0.2, 0.3, 0.2, 0.9], before, patience=3) == (5, True)
