import keras
import numpy as np
import pytest
import tensorflow as tf

from serkit.errors import DivergedError
from serkit.training.callbacks import StopWhenDiverged

STEPS = 3


def _fit(x, epochs: int, *, seen=None, rate: float = 0.1, first: int = 0, y: float = 1.0) -> None:
    """One example a step, through one weight that begins at 0; ``seen`` by a callback behind."""
    model = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")]
    )
    model.compile(keras.optimizers.SGD(rate), "mse")
    x = np.array(x, "float32")[:, None]
    seen = [] if seen is None else seen
    model.fit(
        tf.data.Dataset.from_tensor_slices((x, np.full_like(x, y))).batch(1),
        initial_epoch=first,
        epochs=epochs,
        steps_per_epoch=STEPS,
        callbacks=[
            StopWhenDiverged(model.variables, STEPS),
            keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch)),
        ],
        shuffle=False,
        verbose=0,
    )


def test_numbers_that_are_finite_are_let_through():
    seen = []
    _fit([0.5] * 6, epochs=2, seen=seen)
    assert seen == [0, 1]


@pytest.mark.parametrize(
    ("bad", "where"),
    [
        (0, r"step 1 \(epoch 1\); nothing was kept"),
        (2, r"step 3 \(epoch 1\); nothing was kept"),
        (4, r"step 5 \(epoch 2\); the state after epoch 1 is kept"),
    ],
)
def test_fit_stops_at_the_step_and_names_it(bad, where):
    x, seen = [0.5] * 6, []
    x[bad] = np.nan
    with pytest.raises(DivergedError, match=f"loss is nan at {where}"):
        _fit(x, epochs=2, seen=seen)
    # Who comes after it does not get to see the epoch.
    assert seen == [0] * (bad // STEPS)


def test_an_infinite_loss_is_one_too():
    with pytest.raises(DivergedError, match="loss is inf at step 2 "):
        _fit([0.5] * 6, epochs=2, y=1e15, rate=1e20)


def test_steps_are_counted_from_the_first_epoch_of_a_resumed_training():
    with pytest.raises(DivergedError, match=r"step 14 \(epoch 5\); the state after epoch 4"):
        _fit([0.5, np.nan, 0.5], epochs=5, first=4)


def test_a_weight_that_the_last_step_spoils_is_found_at_the_end_of_the_epoch():
    """The loss is that from before the step: 1, with a weight of 0 still."""
    seen = []
    with pytest.raises(DivergedError, match=r"kernel is not finite at step 3 \(epoch 1\)"):
        _fit([0.0, 0.0, 1e38], epochs=1, rate=1e3, seen=seen)
    assert seen == []
