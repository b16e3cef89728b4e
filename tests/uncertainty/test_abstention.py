import numpy as np
import pytest

from serkit.datasets.splits import Speakers
from serkit.errors import InputError, LeakError
from serkit.training.examples import Examples
from serkit.uncertainty.abstention import SelectivePredictor, choose_threshold

SPEAKERS = Speakers(frozenset("a"), frozenset("b"), frozenset("c"))


class _Confident:
    """The logit of class 0 is the first value of a spectrogram."""

    def predict_logits(self, x, n=30, seed=0):
        logits = x[:, 0, 0, 0]
        return np.stack([logits, np.zeros_like(logits)], axis=1)[np.newaxis].repeat(2, axis=0)


def _examples(logits, labels, who="b"):
    spectrograms = np.zeros((len(logits), 2, 2, 1), np.float32)
    spectrograms[:, 0, 0, 0] = logits
    return Examples(spectrograms, frozenset(who), np.array(labels))


def test_coverage_on_validation_clips():
    validation = _examples(np.arange(1.0, 11.0), [0] * 10)
    found = choose_threshold(_Confident(), validation, SPEAKERS, coverage=0.7)
    predictions = found.predict(validation.spectrograms)
    # The seven most confident.
    assert predictions.abstain.tolist() == [True] * 3 + [False] * 7
    assert predictions.probabilities.shape == (10, 2)
    np.testing.assert_allclose(predictions.uncertainty.epistemic, 0, atol=1e-12)


def test_accuracy_on_validation_clips():
    validation = _examples([5.0, 4.0, 3.0, 2.0], [0, 0, 1, 1])
    found = choose_threshold(_Confident(), validation, SPEAKERS, accuracy=0.6)
    assert found.predict(validation.spectrograms).abstain.tolist() == [False] * 3 + [True]
    wrong = _examples([5.0, 4.0], [1, 1])
    with pytest.raises(InputError, match=r"0\.000"):
        choose_threshold(_Confident(), wrong, SPEAKERS, accuracy=0.5)


@pytest.mark.parametrize("who", ["a", "c"])
def test_other_than_validation_speakers_are_refused(who):
    with pytest.raises(LeakError, match=who):
        choose_threshold(_Confident(), _examples([1.0], [0], who), SPEAKERS, coverage=0.5)


def test_invalid_arguments_are_refused():
    validation = _examples([1.0], [0])
    with pytest.raises(InputError, match=r"Exactly one.*coverage=None, accuracy=None"):
        choose_threshold(_Confident(), validation, SPEAKERS)
    with pytest.raises(InputError, match=r"Exactly one.*coverage=0\.5, accuracy=0\.5"):
        choose_threshold(_Confident(), validation, SPEAKERS, coverage=0.5, accuracy=0.5)
    with pytest.raises(InputError, match="measure='variance'"):
        SelectivePredictor(_Confident(), 1.0, "variance")


def test_accuracy_needs_labels_and_coverage_does_not():
    unlabelled = Examples(_examples([1.0, 2.0], [0, 0]).spectrograms, frozenset("b"))
    with pytest.raises(InputError, match="`labels`"):
        choose_threshold(_Confident(), unlabelled, SPEAKERS, accuracy=0.5)
    found = choose_threshold(_Confident(), unlabelled, SPEAKERS, coverage=0.5)
    assert found.predict(unlabelled.spectrograms).abstain.tolist() == [True, False]
