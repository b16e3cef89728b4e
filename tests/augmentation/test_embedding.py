import keras
import numpy as np
import pytest

from serkit.augmentation.reference_classifier import Embedding, in_batches, penultimate
from serkit.errors import InputError, LeakError
from serkit.training.examples import Examples

VOICES = frozenset({"ann", "bob"})


def test_penultimate_gives_what_goes_into_the_last_layer(classifier, pictures):
    some = pictures((0.5, -0.25), (-1, 0.75))
    features = np.asarray(penultimate(classifier)(some))
    assert features.tolist() == [[0.5, -0.25], [-1, 0.75]]
    np.testing.assert_array_equal(classifier.layers[-1](features), classifier(some))


def test_a_model_that_does_not_end_in_a_dense_layer_has_none():
    inputs = keras.Input((2, 2, 1))
    flat = keras.layers.Flatten(name="last")(inputs)
    pair = keras.layers.Concatenate()([flat, keras.layers.Rescaling(2)(flat)])
    for outputs in (flat, pair):
        with pytest.raises(InputError, match=r"`classifier`.* odd"):
            penultimate(keras.Model(inputs, outputs, name="odd"))


def test_features_have_mean_0_and_deviation_1_on_what_they_were_fitted_on(
    classifier, pictures, speakers
):
    """The first is 0 or 0.5, mean and deviation 0.25; the second -0.25 -+ 0.5."""
    real = pictures((0, -0.75), (0.5, 0.25), (0, 0.25), (0.5, -0.75))
    embedding = Embedding.fit(penultimate(classifier), Examples(real, VOICES), speakers)
    assert embedding(real).tolist() == [[-1, -1], [1, 1], [-1, 1], [1, -1]]
    # Others are not fitted again.
    assert embedding(pictures((1, 0.75))).tolist() == [[3, 2]]


@pytest.mark.parametrize("level", [0.0, 0.1, 1000.3])
def test_a_feature_that_never_moved_is_left_out(classifier, pictures, speakers, level):
    real = pictures(*[(number % 2, level) for number in range(1000)])
    embedding = Embedding.fit(penultimate(classifier), Examples(real, VOICES), speakers)
    np.testing.assert_allclose(embedding(pictures((1, level - 5))), [[1, 0]])


def test_fitting_on_other_than_training_speakers_is_refused(classifier, pictures, speakers):
    real = pictures((0, 0), (1, 1))
    for name in ("val", "tim", "nobody"):
        with pytest.raises(LeakError, match=f"not training speakers: {name}"):
            Embedding.fit(penultimate(classifier), Examples(real, VOICES | {name}), speakers)


def test_a_model_that_outputs_images_is_refused(pictures, speakers):
    inputs = keras.Input((2, 2, 1))
    model = keras.Model(inputs, keras.layers.Rescaling(2)(inputs), name="doubled")
    with pytest.raises(InputError, match=r"`model`.* doubled with \(None, 2, 2, 1\)"):
        Embedding.fit(model, Examples(pictures((0, 0)), VOICES), speakers)


@pytest.mark.parametrize("count", [1, 64, 65, 150])
def test_batches_give_what_single_ones_give_in_their_order(classifier, rng, count):
    spectrograms = rng.uniform(-1, 1, (count, 2, 2, 1)).astype("float32")
    found = in_batches(classifier, spectrograms)
    assert found.dtype == np.float32
    single = [np.asarray(classifier(one[None]))[0] for one in spectrograms]
    np.testing.assert_allclose(found, single, atol=1e-6)


def test_layers_that_differ_in_training_do_not_train():
    inputs = keras.Input((2, 2, 1))
    features = keras.layers.Dropout(0.9)(keras.layers.Flatten()(inputs))
    ones = np.ones((4, 2, 2, 1), "float32")
    assert in_batches(keras.Model(inputs, features), ones).tolist() == np.ones((4, 4)).tolist()
