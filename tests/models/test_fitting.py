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
from serkit.training.examples import Examples
from serkit.training.live import LiveSpectrograms

SPEAKERS = Speakers(frozenset("ab"), frozenset("c"), frozenset("d"))
SETTINGS = FitSettings(epochs=6, steps_per_epoch=6, batch_size=16, learning_rate=1e-2)


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


def _fit(data, folder, settings=SETTINGS, **options):
    model = compact(3, (32, 32, 1), CompactSettings(pool=(2, 2), channels=(4, 8)), seed=1)
    history = fit_classifier(model, *data, SPEAKERS, settings, 2, folder, verbose=0, **options)
    return model, history


def test_it_learns_and_keeps_the_best_epochs_weights(data, tmp_path):
    model, history = _fit(data, tmp_path)
    best = max(row["val_uar"] for row in history)
    assert best > 0.9
    x, y = data[1].spectrograms, data[1].labels
    recalls = [(model.predict(x[y == c], verbose=0).argmax(1) == c).mean() for c in range(3)]
    assert np.mean(recalls) == pytest.approx(best)


@pytest.mark.parametrize("mixup", [0.0, 0.3])
@pytest.mark.usefixtures("deterministic")
def test_killed_and_made_again_equals_never_killed(data, tmp_path, mixup):
    settings = replace(SETTINGS, mixup=mixup)

    def augment(batch, seed):
        return batch + tf.random.stateless_normal(tf.shape(batch), seed, stddev=0.1)

    whole, expected = _fit(data, tmp_path / "whole", settings=settings, augment=augment)
    killer = keras.callbacks.LambdaCallback(on_epoch_begin=_kill_in_epoch_3)
    with pytest.raises(_Killed):
        _fit(data, tmp_path / "parts", settings=settings, augment=augment, callbacks=(killer,))
    again, history = _fit(data, tmp_path / "parts", settings=settings, augment=augment)
    assert history == expected
    for a, b in zip(whole.weights, again.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def _live(data, augmentation):
    """The same training examples with waveforms, one of them generated: it has none."""
    spec = SpectrogramSpec(frames=32, bins=32)
    train, validation = data
    waves = np.random.default_rng(1).standard_normal((60, spec.samples)).astype("f4")
    rows = np.where(np.arange(60) == 5, -1, np.arange(60))
    given = train.spectrograms, waves, spec, augmentation, "/device:CPU:0", rows
    return replace(train, spectrograms=LiveSpectrograms(*given)), validation


@pytest.mark.usefixtures("deterministic")
def test_killed_on_waveforms_and_made_again_equals_never_killed(data, tmp_path):
    live = _live(data, WaveAugmentation(snr_db=(0.0, 20.0), shift=0.1))
    short = replace(SETTINGS, epochs=4, steps_per_epoch=2)
    whole, expected = _fit(live, tmp_path / "whole", short)
    killer = keras.callbacks.LambdaCallback(on_epoch_begin=_kill_in_epoch_3)
    with pytest.raises(_Killed):
        _fit(live, tmp_path / "parts", short, callbacks=(killer,))
    again, history = _fit(live, tmp_path / "parts", short)
    assert history == expected
    for a, b in zip(whole.weights, again.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_views_of_waveforms_are_refused(data, tmp_path):
    with pytest.raises(InputError, match="`views` must be 0 for live spectrograms"):
        _fit(_live(data, WaveAugmentation()), tmp_path, replace(SETTINGS, views=2))


def test_a_frozen_part_is_computed_at_each_step_where_waveforms_are_augmented(data, tmp_path):
    short = replace(SETTINGS, epochs=1, steps_per_epoch=1)
    for augmentation, kept in ((WaveAugmentation(), 2), (WaveAugmentation(shift=0.1), 0)):
        folder = tmp_path / str(kept)
        _half_frozen_history(_live(data, augmentation), folder, settings=short)
        assert len(list(folder.glob("features/*.npy"))) == kept


def _half_frozen(seed=3):
    """Two convolutions, the first of them frozen, as if it came from elsewhere."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((32, 32, 1))
    first = layers.Conv2D(4, 3, strides=2, activation="relu", name="first")
    x = first(inputs)
    first.trainable = False
    x = layers.Conv2D(8, 3, strides=4, activation="relu", name="second")(x)
    x = layers.Dropout(0.2, seed=7)(layers.Flatten()(x))
    return keras.Model(inputs, layers.Dense(3, name="logits")(x), name="half_frozen")


def _half_frozen_history(data, folder, augment=None, settings=SETTINGS, **options):
    model = _half_frozen()
    before = {variable.path: np.array(variable) for variable in model.weights}
    history = fit_classifier(
        *(model, *data, SPEAKERS, settings, 2, folder),
        **{"augment": augment, "verbose": 0, **options},
    )
    moved = {v.path for v in model.weights if not np.array_equal(before[v.path], v)}
    assert moved == {variable.path for variable in model.trainable_variables}
    return model, history


def test_frozen_features_give_the_losses_of_the_whole_network(data, tmp_path, capsys):
    """The whole network is what an augmentation that changes nothing leaves no way around."""
    cached, found = _half_frozen_history(data, tmp_path / "cached", verbose=2)
    assert "half_frozen: the frozen part, 40 of" in capsys.readouterr().out
    whole, expected = _half_frozen_history(
        data, tmp_path / "whole", augment=lambda batch, seed: batch, verbose=2
    )
    assert "frozen part" not in capsys.readouterr().out
    assert found[-1]["val_uar"] > 0.8
    for name in ("loss", "val_loss"):
        pairs = [(a[name], b[name]) for a, b in zip(found, expected, strict=True)]
        np.testing.assert_allclose(*zip(*pairs, strict=True), rtol=0.02, atol=0.003)
    x = data[1].spectrograms
    np.testing.assert_allclose(cached(x), whole(x), atol=0.1)


def test_views_stand_for_augmentation(data, tmp_path):
    def brighter(batch, seed):
        return batch + tf.random.stateless_uniform([len(batch), 1, 1, 1], seed, 0.0, 0.1)

    settings = replace(SETTINGS, views=2)
    _, history = _half_frozen_history(data, tmp_path, augment=brighter, settings=settings)
    assert history[-1]["val_uar"] > 0.8
    shards = list((tmp_path / "features").glob("*.npy"))
    assert len(shards) == 3


@pytest.mark.usefixtures("deterministic")
def test_killed_on_features_and_made_again_equals_never_killed(data, tmp_path):
    whole, expected = _half_frozen_history(data, tmp_path / "whole")
    killer = keras.callbacks.LambdaCallback(on_epoch_begin=_kill_in_epoch_3)
    with pytest.raises(_Killed):
        _half_frozen_history(data, tmp_path / "parts", callbacks=(killer,))
    again, history = _half_frozen_history(data, tmp_path / "parts")
    assert history == expected
    for a, b in zip(whole.weights, again.weights, strict=True):
        np.testing.assert_array_equal(a, b)


class _Killed(BaseException):
    pass


def _kill_in_epoch_3(epoch, logs=None):
    if epoch == 3:
        raise _Killed


@pytest.mark.parametrize(
    "settings",
    [
        replace(REPORT_FIT, epochs=6, batch_size=10, learning_rate=0.5, momentum=0.9),
        replace(SETTINGS, loss="focal", label_smoothing=0.1, class_weights="balanced"),
        replace(SETTINGS, class_weights=(1.0, 2.0, 1.0)),
        replace(SETTINGS, mixup=0.3, class_weights="balanced"),
    ],
    ids=["report", "focal and balanced", "own weights", "mixup"],
)
def test_other_losses_learn_too(data, tmp_path, settings):
    _, history = _fit(data, tmp_path, settings=settings)
    assert max(row["val_uar"] for row in history) > 0.8


def test_a_class_of_weight_0_is_not_learned(data, tmp_path):
    """So the weights get where they belong."""
    model, _ = _fit(data, tmp_path, settings=replace(SETTINGS, class_weights=(1.0, 0.0, 1.0)))
    assert (model.predict(data[1].spectrograms, verbose=0).argmax(axis=1) != 1).all()


def test_it_ends_early_and_made_again_does_nothing(data, tmp_path):
    settings = replace(SETTINGS, epochs=30, patience=2)
    model, history = _fit(data, tmp_path, settings=settings)
    values = [row["val_uar"] for row in history]
    assert len(values) == values.index(max(values)) + 3 < 30
    again, same = _fit(data, tmp_path, settings=settings)
    assert same == history
    for a, b in zip(model.weights, again.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(pd.read_csv(tmp_path / "history.csv")) == len(history)


def test_the_last_epochs_weights_may_be_wanted(data, tmp_path):
    settings = replace(SETTINGS, keep="last")
    model, history = _fit(data, tmp_path, settings=settings)
    x, y = data[1].spectrograms, data[1].labels
    recalls = [(model.predict(x[y == c], verbose=0).argmax(1) == c).mean() for c in range(3)]
    assert np.mean(recalls) == pytest.approx(history[-1]["val_uar"])
    again, _ = _fit(data, tmp_path, settings=settings)
    for a, b in zip(model.weights, again.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_tensorboard_gets_the_epochs(data, tmp_path):
    board = keras.callbacks.TensorBoard(tmp_path / "board")
    _fit(data, tmp_path / "run", callbacks=(board,))
    written = list((tmp_path / "board").rglob("events.out.tfevents*"))
    assert {path.parent.name for path in written} == {"train", "validation"}


@pytest.mark.slow
def test_bfloat16_and_xla_learn_too(data, tmp_path):
    small = CompactSettings(pool=(2, 2), channels=(4, 8), precision="mixed_bfloat16")
    model = compact(3, (32, 32, 1), small, seed=1)
    settings = replace(SETTINGS, jit_compile=True)
    history = fit_classifier(model, *data, SPEAKERS, settings, 2, tmp_path, verbose=0)
    assert max(row["val_uar"] for row in history) > 0.8


@pytest.mark.slow
def test_what_was_trained_loads_in_a_process_without_serkit(data, tmp_path):
    model, _ = _fit(data, tmp_path / "run")
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


_ON_TWO_DEVICES = """
import sys
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
"""


@pytest.mark.slow
def test_under_a_mirrored_strategy(data, tmp_path):
    """Two logical CPUs stand for two GPUs; they are set up at the start of a process."""
    x = np.concatenate([part.spectrograms for part in data])
    np.savez(tmp_path / "data.npz", x=x, y=np.concatenate([part.labels for part in data]))
    subprocess.run([sys.executable, "-c", _ON_TWO_DEVICES], cwd=tmp_path, check=True)


@pytest.mark.parametrize(
    ("train", "validation", "words"),
    [
        ("abd", "c", "not training speakers: d"),
        ("abc", "c", "not training speakers: c"),
        ("ab", "cd", "not validation speakers: d"),
        ("ab", "b", "not validation speakers: b"),
    ],
)
def test_a_leak_is_refused_before_anything_is_fitted(data, train, validation, words, tmp_path):
    leak = [
        Examples(part.spectrograms, frozenset(who), part.labels)
        for part, who in zip(data, (train, validation), strict=True)
    ]
    with pytest.raises(LeakError, match=words):
        _fit(leak, tmp_path / "run")
    assert not (tmp_path / "run").exists()
