"""A classifier and generators of which every number is known.

A picture has two frames of two bins; the first frame's mean is one feature, the second's the other.
"""

from collections.abc import Callable

import keras
import numpy as np
import pytest

from serkit.augmentation.reference_classifier import Embedding, penultimate
from serkit.augmentation.sample_filter import SampleFilter
from serkit.datasets.splits import Speakers

CLASSES = ("angry", "happy", "sad")


@pytest.fixture(scope="session")
def pictures() -> Callable[..., np.ndarray]:
    """Spectrograms ``(n, 2, 2, 1)`` with given pairs of features: ``pictures((0.5, -1), ...)``."""

    def make(*pairs: tuple[float, float]) -> np.ndarray:
        return np.repeat(np.array(pairs, "float32")[:, :, None, None], 2, axis=2)

    return make


@pytest.fixture
def classifier() -> keras.Model:
    """Angry where the first feature is above 0, happy where it is below, never sad."""
    inputs = keras.Input((2, 2, 1))
    features = keras.layers.Dense(2, use_bias=False)(keras.layers.Flatten()(inputs))
    model = keras.Model(inputs, keras.layers.Dense(3)(features), name="known")
    means = np.array([[1, 0], [1, 0], [0, 1], [0, 1]]) / 2
    model.set_weights([means, np.array([[1, -1, 0], [0, 0, 0]]), np.array([0, 0, -9])])
    return model


@pytest.fixture
def sample_filter(classifier) -> SampleFilter:
    """Two angry clips, with copies up to a distance of 1/4, three happy ones; nothing is scaled."""
    embedding = Embedding(penultimate(classifier), np.float32(0), np.float32(1))
    features = {"angry": [[0.5, 0.5], [0.125, 0]], "happy": [[-0.5, 0], [-0.5, 0.5], [-1, 1]]}
    features = {name: np.array(values, "float32") for name, values in features.items()}
    return SampleFilter(classifier, embedding, CLASSES, features, {"angry": 0.25, "happy": 0.0})


@pytest.fixture(scope="session")
def generator() -> keras.Model:
    """Both features are the tanh of a normal number each."""
    noise = keras.Input((2,))
    bins = keras.layers.Dense(4, "tanh", use_bias=False)(noise)
    model = keras.Model(noise, keras.layers.Reshape((2, 2, 1))(bins))
    model.set_weights([np.array([[1, 1, 0, 0], [0, 0, 1, 1]])])
    return model


@pytest.fixture(scope="session")
def generator_of_two() -> keras.Model:
    """The first feature is tanh 1 for class 0 and tanh -1 for class 1, the second is random."""
    noise, number = keras.Input((2,)), keras.Input((), dtype="int32")
    vector = keras.layers.Embedding(2, 1, name="class_vector")(number)
    joined = keras.layers.Concatenate()([noise, vector])
    bins = keras.layers.Dense(4, "tanh", use_bias=False)(joined)
    model = keras.Model([noise, number], keras.layers.Reshape((2, 2, 1))(bins))
    model.set_weights([np.array([[1], [-1]]), np.array([[0, 0, 0, 0], [0, 0, 1, 1], [1, 1, 0, 0]])])
    return model


@pytest.fixture(scope="session")
def speakers() -> Speakers:
    return Speakers(frozenset({"ann", "bob", "cid"}), frozenset({"val"}), frozenset({"tim"}))
