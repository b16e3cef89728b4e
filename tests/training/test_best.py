import keras
import numpy as np
import pytest

from serkit.training.callbacks import KeepBest


@pytest.fixture
def model():
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False)])


def _epochs(model, callback, values):
    """As if each epoch ended with this metric and with weights equal to its number."""
    callback.set_model(model)
    for number, value in enumerate(values):
        model.set_weights([np.full((2, 1), float(number))])
        callback.on_epoch_end(number, {"val_uar": value})


def test_the_first_of_the_best_stays(model, tmp_path):
    path = tmp_path / "{odd} name" / "best.weights.h5"
    _epochs(model, KeepBest(path, "val_uar"), [0.1, 0.5, 0.5, 0.2])
    model.load_weights(path)
    np.testing.assert_array_equal(model.get_weights()[0], np.full((2, 1), 1.0))
    assert [item.name for item in path.parent.iterdir()] == ["best.weights.h5"]


def test_a_resumed_training_run_knows_the_best_value(model, tmp_path):
    path = tmp_path / "best.weights.h5"
    _epochs(model, KeepBest(path, "val_uar"), [0.7])
    _epochs(model, KeepBest(path, "val_uar", best=0.7), [0.6, 0.7, 0.6])
    model.load_weights(path)
    np.testing.assert_array_equal(model.get_weights()[0], np.zeros((2, 1)))


def test_a_failed_write_leaves_the_old_file(model, tmp_path, monkeypatch):
    path = tmp_path / "best.weights.h5"
    _epochs(model, KeepBest(path, "val_uar"), [0.1])
    before = path.read_bytes()

    def torn(partial):
        partial.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(model, "save_weights", torn)
    with pytest.raises(OSError, match="disk full"):
        _epochs(model, KeepBest(path, "val_uar", best=0.1), [0.9])
    assert path.read_bytes() == before
