import numpy as np
import pytest

from serkit.augmentation.sample_filter import SampleFilter, TooFewAccepted, sample_filtered
from serkit.errors import InputError, SerkitError
from serkit.gans.sampling import sample

CLIPS = np.array([(0.5, 0.5), (0.125, 0)])
"""The judge's angry ones."""


def _features(spectrograms: np.ndarray) -> np.ndarray:
    return spectrograms.mean(axis=(2, 3))


def _expected(spectrograms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which are copies of angry clips and which are not angry, without a judge."""
    features = _features(spectrograms)
    distances = np.linalg.norm(features[:, None] - CLIPS, axis=2)
    return distances.min(axis=1) <= 0.25, features[:, 0] < 0


def _closed(sample_filter: SampleFilter) -> SampleFilter:
    """Lets nothing through: the classifier never says sad."""
    features = {"sad": np.array([[9, 9]], "float32")}
    return SampleFilter(
        sample_filter.classifier,
        sample_filter.embedding,
        sample_filter.classes,
        features,
        {"sad": 0.25},
    )


def test_those_that_are_good_enough_come_in_the_order_of_the_stream(generator, sample_filter):
    samples = sample_filtered(generator, 40, 7, "angry", sample_filter)
    stream = sample(generator, samples.tried, 7)
    copies, refused = _expected(stream)
    good = np.flatnonzero(~(copies | refused))
    assert samples.sample_indices.tolist() == good[:40].tolist()
    np.testing.assert_array_equal(samples.spectrograms, stream[samples.sample_indices])


def test_counts_are_of_all_that_were_looked_at(generator, sample_filter):
    samples = sample_filtered(generator, 40, 7, "angry", sample_filter)
    copies, refused = _expected(sample(generator, samples.tried, 7))
    assert (samples.copies, samples.refused) == (copies.sum(), refused.sum())
    assert min(samples.copies, samples.refused) > 0
    # No batch more than it took.
    good = ~(copies | refused)
    assert good[:-32].sum() < 40 <= good.sum()
    assert samples.tried % 32 == 0


def test_the_first_ones_are_the_same_whatever_the_count(generator, sample_filter):
    few, many = (sample_filtered(generator, count, 3, "angry", sample_filter) for count in (5, 60))
    assert few.spectrograms.shape == (5, 2, 2, 1)
    np.testing.assert_array_equal(few.spectrograms, many.spectrograms[:5])
    assert few.sample_indices.tolist() == many.sample_indices[:5].tolist()
    other = sample_filtered(generator, 5, 4, "angry", sample_filter)
    assert not np.array_equal(other.spectrograms, few.spectrograms)


def test_without_a_filter_all_samples_are_accepted(generator):
    samples = sample_filtered(generator, 35, 7, "whatever", None)
    np.testing.assert_array_equal(samples.spectrograms, sample(generator, 35, 7))
    assert samples.sample_indices.tolist() == list(range(35))
    assert (samples.tried, samples.copies, samples.refused) == (64, 0, 0)
    assert sample_filtered(generator, 32, 7, "whatever", None).tried == 32


@pytest.mark.parametrize(
    ("count", "tries", "tried"), [(3, 1, 32), (3, 10, 32), (3, 11, 64), (3, 20, 64), (8, 4, 32)]
)
def test_a_filter_that_rejects_all_samples_reports_counts(
    generator, sample_filter, count, tries, tried
):
    """Whole batches of 32 until so many tries are reached for each one that is wanted."""
    words = (
        f"sad: .* 0 of {tried} samples, {count} were wanted; 0 were near-copies "
        f"of training clips, {tried} classified"
    )
    with pytest.raises(TooFewAccepted, match=words) as caught:
        sample_filtered(generator, count, 0, "sad", _closed(sample_filter), tries=tries)
    assert isinstance(caught.value, SerkitError)
    assert not isinstance(caught.value, InputError)


def test_copies_are_counted_when_all_samples_are_rejected(generator, sample_filter):
    features = {"angry": CLIPS.astype("float32")}
    narrow = SampleFilter(
        sample_filter.classifier,
        sample_filter.embedding,
        sample_filter.classes,
        features,
        {"angry": 9.0},
    )
    refused = int(_expected(sample(generator, 32, 0))[1].sum())
    assert 0 < refused < 32
    words = f"0 of 32 .* 32 were near-copies of training clips, {refused} classified"
    with pytest.raises(TooFewAccepted, match=words):
        sample_filtered(generator, 1, 0, "angry", narrow)


def test_accepted_samples_are_returned_if_not_strict(generator, sample_filter):
    samples = sample_filtered(generator, 60, 7, "angry", sample_filter, tries=1, strict=False)
    copies, refused = _expected(sample(generator, 64, 7))
    good = np.flatnonzero(~(copies | refused))
    assert 0 < len(good) < 60
    assert samples.sample_indices.tolist() == good.tolist()
    assert len(samples.spectrograms) == len(good)
    nothing = sample_filtered(generator, 1, 7, "sad", _closed(sample_filter), strict=False)
    assert nothing.spectrograms.shape == (0, 2, 2, 1)
    assert (len(nothing.sample_indices), nothing.tried, nothing.refused) == (0, 32, 32)


def test_counts_are_printed(generator, sample_filter):
    said = []
    samples = sample_filtered(generator, 9, 7, "angry", sample_filter, say=said.append)
    copies, refused = _expected(sample(generator, samples.tried, 7))
    assert said == [
        f"angry: 9 of {samples.tried} samples accepted; {copies.sum()} were near-copies of "
        f"training clips, {refused.sum()} classified as another class"
    ]


def test_without_a_filter_the_text_is_not_filtered(generator):
    said = []
    samples = sample_filtered(generator, 9, 0, "angry", None, say=said.append)
    assert said == ["angry: 9 samples, not filtered"]
    assert not samples.gated


def test_a_generator_of_several_classes_makes_the_one_that_is_asked_for(
    generator_of_two, sample_filter
):
    for number, label, first in ((0, "angry", np.tanh(1)), (1, "happy", np.tanh(-1))):
        samples = sample_filtered(
            generator_of_two, 40, 7, label, sample_filter, class_number=number
        )
        assert samples.refused == 0
        np.testing.assert_allclose(_features(samples.spectrograms)[:, 0], first, rtol=1e-6)
        stream = sample(generator_of_two, samples.tried, 7, labels=number)
        np.testing.assert_array_equal(samples.spectrograms, stream[samples.sample_indices])
    with pytest.raises(TooFewAccepted, match="32 classified as another class"):
        sample_filtered(generator_of_two, 1, 7, "angry", sample_filter, class_number=1)


def test_what_cannot_be_sampled_is_refused(generator, generator_of_two, sample_filter):
    for name in ("count", "tries"):
        with pytest.raises(InputError, match=f"{name}=0"):
            sample_filtered(
                generator,
                **{"count": 1, name: 0},
                seed=0,
                label="angry",
                sample_filter=sample_filter,
            )
    with pytest.raises(InputError, match="label='bored'"):
        sample_filtered(generator, 1, 0, "bored", sample_filter)
    with pytest.raises(InputError, match="`labels` must be None"):
        sample_filtered(generator, 1, 0, "angry", sample_filter, class_number=0)
    for number in (None, 2):
        with pytest.raises(InputError, match=rf"`labels`.*{number}"):
            sample_filtered(generator_of_two, 1, 0, "angry", sample_filter, class_number=number)
