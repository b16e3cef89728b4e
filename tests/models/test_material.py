import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from serkit.errors import InputError
from serkit.models.frozen_features import check_labels, prepare_training_data
from serkit.training.examples import Examples


@pytest.fixture
def model():
    inputs = keras.Input((6, 5, 1))
    first = layers.Conv2D(4, 3)
    x = layers.Flatten()(first(inputs))
    first.trainable = False
    return keras.Model(inputs, layers.Dense(3)(x), name="small")


@pytest.fixture
def examples(rng):
    x = rng.uniform(-1, 1, (12, 6, 5, 1)).astype("float32")
    y = np.arange(12) % 3
    return Examples(x[:8], frozenset("a"), y[:8]), Examples(x[8:], frozenset("b"), y[8:])


def _augment(batch, seed):
    return -batch


def _prepare(model, examples, tmp_path, augment=None, views=0):
    said = []
    return prepare_training_data(model, *examples, augment, views, 1, tmp_path, said.append), said


def test_without_augmentation_the_rest_is_trained_on_features(model, examples, tmp_path):
    material, said = _prepare(model, examples, tmp_path)
    assert material.network.input_shape == (None, 48)
    assert material.inputs.shape == (8, 48)
    assert material.validation.shape == (4, 48)
    expected = model(examples[1].spectrograms)
    np.testing.assert_allclose(material.network(material.validation[:]), expected, atol=0.01)
    (line,) = said
    assert line.startswith(
        "small: the frozen part, 40 of 187 parameters, is computed once for each"
    )
    assert str(tmp_path) in line


def test_with_augmentation_the_whole_is_trained(model, examples, tmp_path):
    material, said = _prepare(model, examples, tmp_path, _augment)
    assert material.network is model
    assert material.augment is _augment
    assert material.inputs is examples[0].spectrograms
    assert said == []


def test_so_many_views_stand_for_augmentation(model, examples, tmp_path):
    material, said = _prepare(model, examples, tmp_path, _augment, views=2)
    assert material.inputs.shape == (16, 48)
    np.testing.assert_array_equal(material.labels, np.tile(examples[0].labels, 2))
    assert material.augment is None
    expected = model(-examples[0].spectrograms)
    np.testing.assert_allclose(material.network(material.inputs[8:]), expected, atol=0.01)
    # What is validated on is not augmented.
    expected = model(examples[1].spectrograms)
    np.testing.assert_allclose(material.network(material.validation[:]), expected, atol=0.01)
    assert "each of 2 augmented views of a clip" in said[0]


def test_views_differ_and_are_kept(model, examples, tmp_path):
    def noisy(batch, seed):
        return batch + tf.random.stateless_uniform(tf.shape(batch), seed)

    material, _ = _prepare(model, examples, tmp_path, noisy, views=2)
    assert not np.allclose(material.inputs[:8], material.inputs[8:], atol=0.01)
    # Two views of the training examples, and the validation examples.
    assert len(list(tmp_path.glob("*.npy"))) == 3


def test_where_nothing_is_frozen_the_whole_is_trained(model, examples, tmp_path):
    model.layers[1].trainable = True
    material, said = _prepare(model, examples, tmp_path)
    assert material.network is model
    assert said == []


def _labelled(*labels):
    return Examples(np.zeros((len(labels), 2, 2, 1)), frozenset("a"), np.array(labels, int))


@pytest.mark.parametrize(
    ("train", "validation", "received"),
    [
        ((0, 1, 2, 3), (0, 1), "train.* between 0 and 2 .* 0, 1, 2, 3"),
        ((0, 1, 2), (0, 5), "validation.* between 0 and 2 .* 0, 5"),
        ((-1, 1, 2), (0, 1), "train.* -1, 1, 2"),
        ((0, 2, 2), (0, 1), "train.* 3 classes.* class 1"),
        ((0, 0), (0, 0), "train.* class 1, 2"),
        ((), (0, 0), "train.* no labels"),
    ],
)
def test_labels_that_do_not_fit_are_refused(train, validation, received):
    with pytest.raises(InputError, match=received):
        check_labels(_labelled(*train), _labelled(*validation), 3)


def test_missing_labels_are_refused():
    bare = Examples(np.zeros((2, 2, 2, 1)), frozenset("a"))
    with pytest.raises(InputError, match=r"validation.* no labels"):
        check_labels(_labelled(0, 1), bare, 2)
