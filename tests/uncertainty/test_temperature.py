import numpy as np
import pytest

from serkit.datasets.splits import Speakers
from serkit.errors import InputError, LeakError
from serkit.training.examples import Examples
from serkit.uncertainty.temperature import best_temperature, scale_temperature

SPEAKERS = Speakers(frozenset("a"), frozenset("b"), frozenset("c"))


class _Fixed:
    def __init__(self, logits):
        self.logits = logits

    def predict_logits(self, x, n=30, seed=0):
        return self.logits[:, : len(x)]


def _drawn(rng, clips=20_000):
    """Calibrated logits, and labels drawn from their probabilities."""
    logits = rng.normal(0, 1.5, (1, clips, 4))
    likely = np.exp(logits[0]) / np.exp(logits[0]).sum(axis=1, keepdims=True)
    return logits, (likely.cumsum(axis=1) < rng.random((clips, 1))).sum(axis=1)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_the_temperature_is_the_factor_of_the_logits(rng, temperature):
    logits, labels = _drawn(rng)
    found = best_temperature(temperature * logits, labels)
    assert found == pytest.approx(temperature, rel=0.05)


def test_the_most_probable_class_stays(rng):
    logits, labels = _drawn(rng, 50)
    examples = Examples(np.zeros((50, 2, 2, 1), "float32"), frozenset("b"), labels)
    scaled = scale_temperature(_Fixed(3 * logits), examples, SPEAKERS)
    found = scaled.predict_logits(examples.spectrograms)
    np.testing.assert_array_equal(found.argmax(axis=-1), logits.argmax(axis=-1))
    np.testing.assert_allclose(found * scaled.temperature, 3 * logits, rtol=1e-6)


@pytest.mark.parametrize("who", ["a", "c"])
def test_other_than_validation_speakers_are_refused(rng, who):
    logits, labels = _drawn(rng, 50)
    examples = Examples(np.zeros((50, 2, 2, 1), "float32"), frozenset(who), labels)
    with pytest.raises(LeakError, match=who):
        scale_temperature(_Fixed(logits), examples, SPEAKERS)


def test_examples_without_labels_are_refused(rng):
    examples = Examples(np.zeros((5, 2, 2, 1), "float32"), frozenset("b"))
    with pytest.raises(InputError, match=r"`validation`.*labels"):
        scale_temperature(_Fixed(np.zeros((1, 5, 4))), examples, SPEAKERS)
