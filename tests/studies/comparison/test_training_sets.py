from dataclasses import replace

import numpy as np
import pytest

from serkit.augmentation.arms import ARMS
from serkit.studies.generators import gan_runs, in_training_order
from serkit.studies.training_sets import TrainingSet, copies_of, noise_like
from serkit.training.examples import Examples


@pytest.fixture
def training_set(pretended, fold, pretend, tmp_path):
    """Makes what an arm adds."""
    settings = pretended[0].settings
    gans = gan_runs("dcgan", fold, settings, tmp_path)
    for gan in in_training_order(gans):
        gan.run(0)

    def make(name, **changed):
        own = gans if name == "dcgan" else {}
        return TrainingSet(ARMS[name], fold, replace(settings, **changed), own)

    return make


def _counts(examples, classes):
    labels = np.concatenate([part.labels for part in examples])
    return {name: int((labels == n).sum()) for n, name in enumerate(classes) if n in labels}


@pytest.mark.parametrize("name", ["oversampling", "noise-images", "dcgan"])
@pytest.mark.parametrize("fraction", [1.0, 0.5])
def test_every_arm_adds_the_same_number_of_the_same_classes(training_set, fold, name, fraction):
    found = training_set(name, generated_share=fraction).added().examples
    assert _counts(found, fold.partitions.classes) == fold.plan
    assert all(part.speakers <= fold.split.train.speakers() for part in found)


def test_arms_that_fill_nothing_add_nothing(training_set):
    assert training_set("specaugment").added().examples == []
    assert training_set("specaugment").key is None


def test_copies_are_of_the_class_each_as_often_as_any_other(training_set, fold):
    found = training_set("oversampling").added().examples
    for label, part in zip(fold.plan, found, strict=True):
        real = fold.partitions.spectrograms(fold.partitions.training_clips(label))
        spectrograms = np.asarray(part.spectrograms)
        same = (spectrograms[:, None] == real[None]).all(axis=(2, 3, 4))
        assert same.any(axis=1).all()
        times = same.sum(axis=0)
        assert times.max() - times.min() <= 1


def test_half_of_what_is_generated_can_be_copies(training_set, fold):
    label, count = next(iter(fold.plan.items()))
    made, copied = training_set("dcgan", generated_share=0.5).added().examples[:2]
    assert (len(made), len(copied)) == (round(count / 2), count - round(count / 2))
    assert copied.speakers == frozenset(fold.partitions.training_clips(label).speakers())


@pytest.mark.parametrize(
    ("name", "fraction", "made"),
    [("dcgan", 0.5, 0.5), ("noise-images", 1.0, 1.0), ("oversampling", 1, 0)],
)
def test_it_is_counted_what_was_generated(training_set, fold, name, fraction, made):
    wanted = {label: round(made * count) for label, count in fold.plan.items() if made}
    assert training_set(name, generated_share=fraction).added().generated == wanted


def test_the_key_changes_with_what_is_added(training_set, fold):
    keys = [
        training_set("oversampling").key,
        training_set("noise-images").key,
        training_set("dcgan").key,
        training_set("dcgan", generated_share=0.5).key,
        training_set("dcgan", seed=1).key,
        replace(training_set("dcgan"), fold=replace(fold, plan={"angry": 1})).key,
    ]
    assert len({repr(key) for key in keys}) == len(keys)
    # Of copies nothing is generated.
    assert training_set("oversampling", generated_share=0.5).key == keys[0]


def test_noise_has_the_level_of_the_clips_and_no_content(rng):
    real = rng.uniform(-0.5, 0.1, (40, 16, 8, 1)).astype("float32")
    examples = Examples(real, frozenset({"a"}), np.zeros(40, int))
    found = noise_like(examples, 30, 3, 0)
    assert found.labels.tolist() == [3] * 30
    assert found.speakers == {"a"}
    assert abs(found.spectrograms.mean() - real.mean()) < 0.01
    assert abs(found.spectrograms.std() - real.std()) < 0.01
    assert np.abs(found.spectrograms).max() <= 1
    # No band and no frame is louder than another, though the clips' are.
    assert found.spectrograms.mean(axis=(0, 1)).std() < 0.02
    again = noise_like(examples, 30, 3, 0)
    np.testing.assert_array_equal(found.spectrograms, again.spectrograms)


def test_no_copies_are_an_empty_set():
    real = Examples(np.zeros((2, 1, 1, 1), "float32"), frozenset({"a"}), np.zeros(2, int))
    assert len(copies_of(real, 0, 0)) == 0
