import contextlib
import io
import subprocess
import sys
from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from keras import layers

from serkit.audio.augmentation import WaveAugmentation
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.datasets.splits import Speakers
from serkit.errors import InputError, LeakError
from serkit.models.compact import CompactSettings, compact
from serkit.models.fitting import REPORT_FIT, FitSettings, fit_classifier
from serkit.models.frozen_features import prepare_training_data
from serkit.training.examples import Examples
from serkit.training.live import LiveSpectrograms

SPEAKERS = Speakers(frozenset("ab"), frozenset("c"), frozenset("d"))
SETTINGS = FitSettings(epochs=6, steps_per_epoch=6, batch_size=16, learning_rate=1e-2)


@pytest.fixture(scope="module", autouse=True)
def _deterministic():
    """Runs are compared bit by bit; determinism cannot be switched off again in a process."""
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(0)


@pytest.fixture(scope="module")
def data():
    """Three classes: a bright band low, in the middle, or high, in noise."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 90)
    x = rng.uniform(-1, -0.4, (90, 32, 32, 1)).astype("float32")
    for row, label in enumerate(labels):
        x[row, :, 4 + 10 * label : 10 + 10 * label] += 0.8
    return (
        Examples(x[:60], frozenset("ab"), labels[:60]),
        Examples(x[60:], frozenset("c"), labels[60:]),
    )


def _compact():
    return compact(3, (32, 32, 1), CompactSettings(pool=(2, 2), channels=(4, 8)), seed=1)


def _small(frozen=False):
    """Two convolutions, the first of them frozen on request, as if its weights were given."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input((32, 32, 1))
    first = layers.Conv2D(4, 3, strides=2, activation="relu", name="first")
    x = first(inputs)
    first.trainable = not frozen
    x = layers.Conv2D(8, 3, strides=4, activation="relu", name="second")(x)
    x = layers.Dropout(0.2, seed=7)(layers.Flatten()(x))
    return keras.Model(inputs, layers.Dense(3, name="logits")(x), name="small")


def _fit(model, data, folder, settings=SETTINGS, **options):
    options = {"verbose": 0, **options}
    return model, fit_classifier(model, *data, SPEAKERS, settings, 2, folder, **options)


def _recalls(model, examples):
    found = model.predict(examples.spectrograms, verbose=0).argmax(axis=1)
    return [(found[examples.labels == number] == number).mean() for number in range(3)]


def _assert_same_weights(one, two):
    for first, second in zip(one.weights, two.weights, strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.fixture(scope="module")
def fitted(data, tmp_path_factory):
    """The compact network, its history, and the folder of its run and of TensorBoard's files."""
    folder = tmp_path_factory.mktemp("fitted")
    board = keras.callbacks.TensorBoard(folder / "board")
    return *_fit(_compact(), data, folder / "run", callbacks=(board,)), folder


def test_it_learns_and_keeps_the_weights_of_the_best_epoch(data, fitted):
    model, history, _ = fitted
    best = max(row["val_uar"] for row in history)
    assert best > 0.9
    assert np.mean(_recalls(model, data[1])) == pytest.approx(best)


def test_more_callbacks_such_as_tensorboard_get_the_epochs(fitted):
    written = list((fitted[2] / "board").rglob("events.out.tfevents*"))
    assert {path.parent.name for path in written} == {"train", "validation"}


@pytest.mark.slow
def test_a_trained_model_loads_in_a_process_without_serkit(data, fitted, tmp_path):
    model, _, _ = fitted
    model.save(tmp_path / "model.keras")
    x = data[1].spectrograms
    np.save(tmp_path / "x.npy", x)
    code = (
        "import keras, numpy, sys; m = keras.models.load_model('model.keras');"
        "numpy.save('y.npy', m.predict(numpy.load('x.npy'), verbose=0));"
        "assert 'serkit' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), model.predict(x, verbose=0), atol=1e-5)


class _Killed(BaseException):
    pass


def _kill_in_epoch_3(epoch, logs=None):
    if epoch == 3:
        raise _Killed


def _assert_resumes(whole, build, data, folder, **options):
    """A run that is killed and called again equals ``whole``, which was never killed."""
    model, expected = whole
    killer = keras.callbacks.LambdaCallback(on_epoch_begin=_kill_in_epoch_3)
    with pytest.raises(_Killed):
        _fit(build(), data, folder, callbacks=(killer,), **options)
    again, history = _fit(build(), data, folder, **options)
    assert history == expected
    _assert_same_weights(model, again)


def _noisy(batch, seed):
    return batch + tf.random.stateless_normal(tf.shape(batch), seed, stddev=0.1)


def test_resume_is_bit_identical_with_augmentation_and_mixup(data, tmp_path):
    options = {
        "settings": replace(SETTINGS, mixup=0.3, class_weights="balanced"),
        "augment": _noisy,
    }
    whole = _fit(_small(), data, tmp_path / "whole", **options)
    assert max(row["val_uar"] for row in whole[1]) > 0.8
    _assert_resumes(whole, _small, data, tmp_path / "killed", **options)


def _live(data, augmentation):
    """The same training examples with waveforms; one of them is generated and has none."""
    spec = SpectrogramSpec(frames=32, bins=32)
    train, validation = data
    waves = np.random.default_rng(1).standard_normal((60, spec.samples)).astype("f4")
    rows = np.where(np.arange(60) == 5, -1, np.arange(60))
    given = train.spectrograms, waves, spec, augmentation, "/device:CPU:0", rows
    return replace(train, spectrograms=LiveSpectrograms(*given)), validation


def test_resume_is_bit_identical_on_waveforms(data, tmp_path):
    live = _live(data, WaveAugmentation(snr_db=(0.0, 20.0), shift=0.1))
    options = {"settings": replace(SETTINGS, epochs=4, steps_per_epoch=2), "augment": _noisy}
    whole = _fit(_small(), live, tmp_path / "whole", **options)
    _assert_resumes(whole, _small, live, tmp_path / "killed", **options)


def test_views_of_waveforms_are_refused(data, tmp_path):
    with pytest.raises(InputError, match=r"`views`.* 2\."):
        _fit(_small(), _live(data, WaveAugmentation()), tmp_path, replace(SETTINGS, views=2))


def test_the_frozen_part_is_not_cached_if_waveforms_are_augmented(data, tmp_path):
    for augmentation, kept in ((WaveAugmentation(), 2), (WaveAugmentation(shift=0.1), 0)):
        folder, model = tmp_path / str(kept), _small(frozen=True)
        options = {"augment": None, "views": 0, "seed": 2, "say": lambda line: None}
        material = prepare_training_data(
            model, *_live(data, augmentation), folder=folder, **options
        )
        assert (material.network is model) == (not kept)
        assert len(list(folder.glob("*.npy"))) == kept


def _frozen():
    return _small(frozen=True)


def _fit_frozen(data, folder, **options):
    """Fit a network with a frozen part, and return what is printed, too."""
    model, printed = _frozen(), io.StringIO()
    before = {variable.path: np.array(variable) for variable in model.weights}
    with contextlib.redirect_stdout(printed):
        _, history = _fit(model, data, folder, verbose=2, **options)
    moved = {v.path for v in model.weights if not np.array_equal(before[v.path], v)}
    assert moved == {variable.path for variable in model.trainable_variables}
    return model, history, printed.getvalue()


@pytest.fixture(scope="module")
def on_features(data, tmp_path_factory):
    return _fit_frozen(data, tmp_path_factory.mktemp("features"))


def test_frozen_features_give_the_losses_of_the_whole_network(data, tmp_path, on_features):
    """With any augmentation, even one that changes nothing, the whole network is computed."""
    cached, found, printed = on_features
    assert "small: the frozen part, 40 of" in printed
    whole, expected, printed = _fit_frozen(data, tmp_path, augment=lambda batch, seed: batch)
    assert "frozen part" not in printed
    assert found[-1]["val_uar"] > 0.8
    for name in ("loss", "val_loss"):
        pairs = [(a[name], b[name]) for a, b in zip(found, expected, strict=True)]
        np.testing.assert_allclose(*zip(*pairs, strict=True), rtol=0.02, atol=0.003)
    x = data[1].spectrograms
    np.testing.assert_allclose(cached(x), whole(x), atol=0.1)


def test_resume_is_bit_identical_on_features(data, tmp_path, on_features):
    _assert_resumes(on_features[:2], _frozen, data, tmp_path)


def test_the_2021_reports_recipe_learns_and_the_last_epochs_weights_can_be_kept(data, tmp_path):
    recipe = {"epochs": 6, "batch_size": 10, "learning_rate": 0.5, "momentum": 0.9}
    settings = replace(REPORT_FIT, **recipe, keep="last")
    model, history = _fit(_compact(), data, tmp_path, settings)
    assert max(row["val_uar"] for row in history) > 0.8
    assert np.mean(_recalls(model, data[1])) == pytest.approx(history[-1]["val_uar"])
    again, _ = _fit(_compact(), data, tmp_path, settings)
    _assert_same_weights(model, again)


def test_focal_loss_learns_and_a_run_that_stopped_early_stays_as_it_is(data, tmp_path):
    focal = {"loss": "focal", "label_smoothing": 0.1, "class_weights": "balanced"}
    settings = replace(SETTINGS, epochs=30, patience=2, **focal)
    model, history = _fit(_small(), data, tmp_path, settings)
    values = [row["val_uar"] for row in history]
    assert max(values) > 0.8
    assert len(values) == values.index(max(values)) + 3 < 30
    again, same = _fit(_small(), data, tmp_path, settings)
    assert same == history
    _assert_same_weights(model, again)
    assert len(pd.read_csv(tmp_path / "history.csv")) == len(history)


def test_a_class_of_weight_0_is_not_learned_and_the_others_are(data, tmp_path):
    settings = replace(SETTINGS, class_weights=(1.0, 0.0, 2.0))
    model, _ = _fit(_small(), data, tmp_path, settings)
    low, middle, high = _recalls(model, data[1])
    assert middle == 0
    assert min(low, high) > 0.8


_IN_ANOTHER_PROCESS = """
import sys
from dataclasses import replace
import keras, numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from serkit.models.compact import CompactSettings, compact
from serkit.models.fitting import fit_classifier
from serkit.models.fitting import FitSettings
from serkit.datasets.splits import Speakers
from serkit.training.examples import Examples
with np.load("data.npz") as stored:
    x, y = stored["x"], stored["y"]
train, validation = Examples(x[:60], {"a"}, y[:60]), Examples(x[60:], {"c"}, y[60:])
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    model = compact(3, (32, 32, 1), CompactSettings(pool=(2, 2), channels=(4, 8)), seed=1)
assert len(model.variables[0].value.values) == 2
speakers = Speakers(frozenset("ab"), frozenset("c"), frozenset("d"))
settings = FitSettings(epochs=6, steps_per_epoch=6, batch_size=16, learning_rate=1e-2)
from pathlib import Path
history = fit_classifier(model, train, validation, speakers, settings, 2, Path("run"), verbose=0)
assert max(row["val_uar"] for row in history) > 0.8, history

small = CompactSettings(pool=(2, 2), channels=(4, 8), precision="mixed_bfloat16")
model = compact(3, (32, 32, 1), small, seed=1)
settings = replace(settings, jit_compile=True)
history = fit_classifier(model, train, validation, speakers, settings, 2, Path("xla"), verbose=0)
assert max(row["val_uar"] for row in history) > 0.8, history
"""


@pytest.mark.slow
def test_it_learns_under_a_mirrored_strategy_and_in_bfloat16_with_xla(data, tmp_path):
    """Two logical CPUs stand for two GPUs; they are set up at the start of a process.

    Keras uses no XLA in a process that is deterministic, as this one is.
    """
    x = np.concatenate([part.spectrograms for part in data])
    np.savez(tmp_path / "data.npz", x=x, y=np.concatenate([part.labels for part in data]))
    subprocess.run([sys.executable, "-c", _IN_ANOTHER_PROCESS], cwd=tmp_path, check=True)


@pytest.mark.parametrize(
    ("train", "validation", "received"),
    [
        ("abd", "c", "training.* d"),
        ("abc", "c", "training.* c"),
        ("ab", "cd", "validation.* d"),
        ("ab", "b", "validation.* b"),
    ],
)
def test_a_leak_is_refused_before_anything_is_fitted(data, train, validation, received, tmp_path):
    leak = [
        Examples(examples.spectrograms, frozenset(speakers), examples.labels)
        for examples, speakers in zip(data, (train, validation), strict=True)
    ]
    with pytest.raises(LeakError, match=received):
        _fit(_small(), leak, tmp_path / "run")
    assert not (tmp_path / "run").exists()
