import numpy as np
import pytest

from serkit.datasets.splits import Speakers
from serkit.errors import InputError, LeakError
from serkit.training.examples import Examples
from serkit.uncertainty.abstention import Abstaining, abstaining

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
    found = abstaining(_Confident(), validation, SPEAKERS, coverage=0.7)
    answers = found.answer(validation.spectrograms)
    # The seven most confident.
    assert answers.abstain.tolist() == [True] * 3 + [False] * 7
    assert answers.probabilities.shape == (10, 2)
    np.testing.assert_allclose(answers.uncertainty.epistemic, 0, atol=1e-12)


def test_accuracy_on_validation_clips():
    validation = _examples([5.0, 4.0, 3.0, 2.0], [0, 0, 1, 1])
    found = abstaining(_Confident(), validation, SPEAKERS, accuracy=0.6)
    assert found.answer(validation.spectrograms).abstain.tolist() == [False] * 3 + [True]
    wrong = _examples([5.0, 4.0], [1, 1])
    with pytest.raises(InputError, match=r"0\.000"):
        abstaining(_Confident(), wrong, SPEAKERS, accuracy=0.5)


@pytest.mark.parametrize("who", ["a", "c"])
def test_other_than_validation_speakers_are_refused(who):
    with pytest.raises(LeakError, match=who):
        abstaining(_Confident(), _examples([1.0], [0], who), SPEAKERS, coverage=0.5)


def test_invalid_arguments_are_refused():
    validation = _examples([1.0], [0])
    with pytest.raises(InputError, match=r"`coverage` or `accuracy`.* None and None"):
        abstaining(_Confident(), validation, SPEAKERS)
    with pytest.raises(InputError, match=r"`coverage` or `accuracy`.* 0\.5 and 0\.5"):
        abstaining(_Confident(), validation, SPEAKERS, coverage=0.5, accuracy=0.5)
    with pytest.raises(InputError, match="measure='variance'"):
        Abstaining(_Confident(), 1.0, "variance")
    unlabelled = Examples(validation.spectrograms, frozenset("b"))
    with pytest.raises(InputError, match=r"`validation`.*labels"):
        abstaining(_Confident(), unlabelled, SPEAKERS, coverage=0.5)
