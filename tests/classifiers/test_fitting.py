import keras
import numpy as np
import pytest

from serkit.classifiers.compact import CompactSettings, compact
from serkit.classifiers.fitting import FitSettings, fit_classifier
from serkit.errors import InputError, LeakError
from serkit.leaks import Speakers
from serkit.training.examples import Examples

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


def _fit(data, folder, **options):
    model = compact(3, (32, 32, 1), CompactSettings(pool=(2, 2), channels=(4, 8)), seed=1)
    history = fit_classifier(model, *data, SPEAKERS, SETTINGS, 2, folder, verbose=0, **options)
    return model, history


def test_it_learns_and_keeps_the_best_epochs_weights(data, tmp_path):
    model, history = _fit(data, tmp_path)
    best = max(row["val_uar"] for row in history)
    assert best > 0.9
    x, y = data[1].spectrograms, data[1].labels
    recalls = [(model.predict(x[y == c], verbose=0).argmax(1) == c).mean() for c in range(3)]
    assert np.mean(recalls) == pytest.approx(best)


@pytest.mark.usefixtures("deterministic")
def test_killed_and_made_again_equals_never_killed(data, tmp_path):
    class Killed(BaseException):
        pass

    def stop(epoch, logs=None):
        if epoch == 3:
            raise Killed

    def augment(batch, seed):
        import tensorflow as tf

        return batch + tf.random.stateless_normal(tf.shape(batch), seed, stddev=0.1)

    whole, expected = _fit(data, tmp_path / "whole", augment=augment)
    killer = keras.callbacks.LambdaCallback(on_epoch_begin=stop)
    with pytest.raises(Killed):
        _fit(data, tmp_path / "parts", augment=augment, callbacks=(killer,))
    again, history = _fit(data, tmp_path / "parts", augment=augment)
    assert history == expected
    for a, b in zip(whole.weights, again.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_settings_are_checked():
    with pytest.raises(InputError, match="epochs=0"):
        FitSettings(epochs=0)
    with pytest.raises(InputError, match="learning_rate"):
        FitSettings(learning_rate=-1.0)


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
