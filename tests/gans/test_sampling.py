import itertools

import numpy as np
import pytest

from serkit.errors import InputError
from serkit.gans.networks import generator
from serkit.gans.sampling import classes_of, sample, sample_stream


@pytest.fixture(scope="module")
def of_three(small_networks):
    """A generator of three classes."""
    return small_networks[0](classes=3)


def test_count_shape_range_and_seed():
    model = generator(0.05)
    spectrograms = sample(model, 35, seed=1)
    assert spectrograms.shape == (35, 224, 224, 1)
    assert spectrograms.dtype == np.float32
    assert np.abs(spectrograms).max() <= 1
    np.testing.assert_array_equal(spectrograms[:3], sample(model, 3, seed=1))
    assert not np.array_equal(spectrograms[:3], sample(model, 3, seed=2))
    assert not np.array_equal(spectrograms[0], spectrograms[1])


def test_count_must_be_positive(of_three):
    with pytest.raises(InputError, match=r"count.*0"):
        sample(of_three, 0, seed=1, labels=0)


def test_one_class_number_is_for_all_samples(of_three):
    spectrograms = sample(of_three, 40, 1, 2)
    np.testing.assert_array_equal(spectrograms, sample(of_three, 40, 1, np.full(40, 2)))
    other = sample(of_three, 40, 1, 1)
    # The same noise, another class.
    assert all(not np.array_equal(a, b) for a, b in zip(spectrograms, other, strict=True))


def test_class_numbers_are_those_of_the_samples_in_their_order(of_three):
    labels = np.random.default_rng(0).integers(0, 3, 70)
    spectrograms = sample(of_three, 70, 1, labels)
    alone = [sample(of_three, 70, 1, number) for number in range(3)]
    expected = [alone[label][place] for place, label in enumerate(labels)]
    np.testing.assert_array_equal(spectrograms, expected)


def test_class_numbers_are_repeated_across_batches(of_three):
    spectrograms = sample(of_three, 70, 1, np.array([2, 0]))
    np.testing.assert_array_equal(spectrograms, sample(of_three, 70, 1, np.array([2, 0] * 35)))


def test_the_first_are_the_same_whatever_the_count(of_three):
    labels = np.array([0, 1, 2, 2, 1])
    spectrograms = sample(of_three, 70, 1, labels)
    for count in (1, 5, 32, 33):
        np.testing.assert_array_equal(sample(of_three, count, 1, labels), spectrograms[:count])


@pytest.mark.parametrize("labels", [None, 1])
def test_a_stream_gives_the_same_samples(small_networks, of_three, labels):
    model = small_networks[0]() if labels is None else of_three
    batches = list(itertools.islice(sample_stream(model, 1, labels), 3))
    assert [len(batch) for batch in batches] == [32] * 3
    np.testing.assert_array_equal(np.concatenate(batches), sample(model, 96, 1, labels))


def test_labels_must_fit_the_generator(small_networks, of_three):
    with pytest.raises(InputError, match="`labels` must be None"):
        sample(small_networks[0](), 2, 1, 0)
    for wrong in (None, 3, -1, np.array([0, 3]), np.array([], int), np.zeros((2, 1), int)):
        with pytest.raises(InputError, match="between 0 and 2"):
            sample(of_three, 2, 1, wrong)


def test_a_generator_knows_its_classes(small_networks):
    make, _ = small_networks
    assert [classes_of(make(classes)) for classes in (0, 2, 5)] == [0, 2, 5]
    assert classes_of(generator(0.05, classes=4)) == 4
