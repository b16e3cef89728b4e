import numpy as np
import pytest

from serkit.datasets.splits import Speakers
from serkit.errors import InputError, LeakError
from serkit.training.examples import Examples
from serkit.uncertainty.abstention import Abstaining, abstaining

SPEAKERS = Speakers(frozenset("a"), frozenset("b"), frozenset("c"))


class _ByPicture:
    """As sure as the first number of a picture says, of class 0."""

    def predict_logits(self, x, n=30, seed=0):
        sure = x[:, 0, 0, 0]
        return np.stack([sure, np.zeros_like(sure)], axis=1)[np.newaxis].repeat(2, axis=0)


def _examples(sure, labels, who="b"):
    pictures = np.zeros((len(sure), 2, 2, 1), np.float32)
    pictures[:, 0, 0, 0] = sure
    return Examples(pictures, frozenset(who), np.array(labels))


def test_answers_as_many_as_were_wanted():
    validation = _examples(np.arange(1.0, 11.0), [0] * 10)
    found = abstaining(_ByPicture(), validation, SPEAKERS, coverage=0.7)
    answers = found.answer(validation.spectrograms)
    # The surest seven.
    assert answers.abstain.tolist() == [True] * 3 + [False] * 7
    assert answers.probabilities.shape == (10, 2)
    np.testing.assert_allclose(answers.uncertainty.epistemic, 0, atol=1e-12)


def test_answers_as_well_as_was_wanted():
    validation = _examples([5.0, 4.0, 3.0, 2.0], [0, 0, 1, 1])
    found = abstaining(_ByPicture(), validation, SPEAKERS, accuracy=0.6)
    assert found.answer(validation.spectrograms).abstain.tolist() == [False] * 3 + [True]
    wrong = _examples([5.0, 4.0], [1, 1])
    with pytest.raises(InputError, match=r"up to 0\.000"):
        abstaining(_ByPicture(), wrong, SPEAKERS, accuracy=0.5)


@pytest.mark.parametrize("who", ["a", "c"])
def test_refuses_all_but_validation_speakers(who):
    with pytest.raises(LeakError, match=who):
        abstaining(_ByPicture(), _examples([1.0], [0], who), SPEAKERS, coverage=0.5)


def test_refuses():
    validation = _examples([1.0], [0])
    with pytest.raises(InputError, match="coverage=None, accuracy=None"):
        abstaining(_ByPicture(), validation, SPEAKERS)
    with pytest.raises(InputError, match=r"coverage=0\.5, accuracy=0\.5"):
        abstaining(_ByPicture(), validation, SPEAKERS, coverage=0.5, accuracy=0.5)
    with pytest.raises(InputError, match="measure='variance'"):
        Abstaining(_ByPicture(), 1.0, "variance")
    nobody = Examples(validation.spectrograms, frozenset("b"))
    with pytest.raises(InputError, match="no labels"):
        abstaining(_ByPicture(), nobody, SPEAKERS, coverage=0.5)
