import keras
import numpy as np
import pytest

from serkit.augmentation.reference_classifier import RealParts, classification_accuracy_score
from serkit.datasets.splits import Speakers
from serkit.errors import InputError, LeakError
from serkit.models.fitting import FitSettings
from serkit.training.examples import Examples

SPEAKERS = Speakers(frozenset("ab"), frozenset("c"), frozenset("d"))
WHO = {1: "ab", 2: "c", 3: "d"}
# What was learned, not what an early epoch guessed as well by chance.
SETTINGS = FitSettings(epochs=6, steps_per_epoch=6, batch_size=16, learning_rate=1e-2, keep="last")


def _bands(labels, seed: int) -> np.ndarray:
    """A bright band low, in the middle, or high, in noise."""
    rng = np.random.default_rng(seed)
    pictures = rng.uniform(-1, -0.4, (len(labels), 32, 32, 1)).astype("float32")
    for row, label in enumerate(labels):
        pictures[row, :, 4 + 10 * label : 10 + 10 * label] += 0.8
    return pictures


@pytest.fixture(scope="module")
def real() -> RealParts:
    labels = np.arange(3).repeat(20)
    parts = [Examples(_bands(labels, seed), frozenset(who), labels) for seed, who in WHO.items()]
    return RealParts(*parts, SPEAKERS)


def _score(real, generated, folder):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((32, 32, 1))
    pooled = keras.layers.AveragePooling2D((32, 2))(inputs)
    logits = keras.layers.Dense(3)(keras.layers.Flatten()(pooled))
    model = keras.Model(inputs, logits)
    return classification_accuracy_score(model, generated, real, SETTINGS, 2, folder, verbose=0)


@pytest.mark.parametrize("generated", [(0, 2), (2, 0)])
def test_a_class_is_learned_from_its_samples_only(real, generated, tmp_path):
    """Low bands as high ones and high ones as low, then the right ones."""
    found = _score(
        real, {c: _bands([n] * 20, 9) for c, n in zip((2, 0), generated, strict=True)}, tmp_path
    )
    swapped = generated == (0, 2)
    expected = [0, 1, 0] if swapped else [1, 1, 1]
    assert found.recalls == pytest.approx(expected, abs=0.1)


def test_without_samples_it_is_the_score_of_real_clips(real, tmp_path):
    assert _score(real, {}, tmp_path).accuracy > 0.9


@pytest.mark.parametrize(
    ("number", "count", "words"),
    [(3, 4, "0, 1, 2.* 4 of class 3"), (1, 0, "0 of class 1")],
)
def test_samples_that_cannot_be_used(real, number, count, words, tmp_path):
    with pytest.raises(InputError, match=words):
        _score(real, {number: _bands([0] * count, 1)}, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_only_test_speakers_are_scored(real, tmp_path):
    leak = RealParts(real.train, real.validation, real.validation, SPEAKERS)
    with pytest.raises(LeakError, match="not test speakers: c"):
        _score(leak, {}, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_each_part_needs_labels(real):
    bare = Examples(real.test.spectrograms, real.test.speakers)
    with pytest.raises(InputError, match="`test`"):
        RealParts(real.train, real.validation, bare, SPEAKERS)
