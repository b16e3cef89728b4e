import keras
import numpy as np
import pandas as pd
import pytest

from serkit.errors import ResumeError
from serkit.training.batches import training_batches
from serkit.training.callbacks import Resume

STEPS = 5


def _fit(folder, epochs: int, units: int = 8) -> tuple[keras.Model, Resume]:
    """A model with dropout and batch norm: both have state beside the weights."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 6)).astype("float32"), rng.integers(0, 2, 40)
    start = keras.initializers.GlorotUniform(seed=1)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(units, kernel_initializer=start),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5, seed=3),
            keras.layers.Dense(2, kernel_initializer=start),
        ]
    )
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.optimizer.build(model.trainable_variables)
    resume = Resume(folder, [*model.variables, *model.optimizer.variables])
    model.fit(
        training_batches((x, y), 8, 0, first_step=resume.epoch * STEPS),
        initial_epoch=resume.epoch,
        epochs=epochs,
        steps_per_epoch=STEPS,
        callbacks=[resume],
        shuffle=False,
        verbose=0,
    )
    return model, resume


@pytest.mark.usefixtures("deterministic")
def test_stopped_and_resumed_equals_never_stopped(tmp_path):
    whole, uninterrupted = _fit(tmp_path / "whole", 5)
    _fit(tmp_path / "parts", 2)
    parts, resumed = _fit(tmp_path / "parts", 5)
    assert resumed.history == uninterrupted.history
    assert [row["epoch"] for row in resumed.history] == [1, 2, 3, 4, 5]
    for first, second in zip(whole.variables, parts.variables, strict=True):
        np.testing.assert_array_equal(first, second)


def test_history_csv_holds_every_epoch_once(tmp_path):
    _fit(tmp_path, 2)
    _, resume = _fit(tmp_path, 3)
    table = pd.read_csv(tmp_path / "history.csv")
    assert list(table["epoch"]) == [1, 2, 3]
    assert list(table["loss"]) == pytest.approx([row["loss"] for row in resume.history])


def test_another_networks_state_is_refused(tmp_path):
    _fit(tmp_path, 1)
    with pytest.raises(ResumeError, match="other variables"):
        _fit(tmp_path, 2, units=9)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn"])
def test_a_damaged_state_is_one_clear_error(tmp_path, content):
    _fit(tmp_path, 1)
    (tmp_path / "state.npz").write_bytes(content)
    with pytest.raises(ResumeError, match=r"state\.npz cannot be read"):
        _fit(tmp_path, 2)
