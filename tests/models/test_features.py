import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from serkit.models.frozen_features import Augmented, compute_features, open_feature_cache
from serkit.training.precision import dtype_policy_scope


def _frozen(seed=1, units=4, policy="float32"):
    keras.utils.set_random_seed(seed)
    with dtype_policy_scope(policy):
        inputs = keras.Input((6, 5, 1))
        x = layers.Conv2D(units, 3, activation="relu")(inputs)
        return keras.Model(inputs, layers.Flatten()(x))


@pytest.fixture
def pictures(rng):
    return rng.uniform(-1, 1, (70, 6, 5, 1)).astype("float32")


def _count_calls(frozen):
    """The number of spectrograms that the network has seen, as it goes."""
    seen = []
    call = frozen.call

    def counting(inputs, *arguments, **options):
        tf.py_function(lambda batch: seen.append(len(batch)), [inputs], [])
        return call(inputs, *arguments, **options)

    frozen.call = counting
    return seen


def test_features_are_the_networks_outputs_within_rounding(pictures, tmp_path):
    frozen = _frozen()
    rows = compute_features(frozen, pictures, open_feature_cache(tmp_path, frozen))
    assert rows.shape == (70, 48)
    np.testing.assert_allclose(rows[:], frozen.predict(pictures, verbose=0), rtol=2**-11, atol=1e-6)


def test_outputs_in_bfloat16_are_kept_as_they_are(pictures, tmp_path):
    frozen = _frozen(policy="mixed_bfloat16")
    cache = open_feature_cache(tmp_path, frozen)
    assert cache.dtype == "bfloat16"
    rows = compute_features(frozen, pictures, cache)
    np.testing.assert_array_equal(rows[:], np.asarray(tf.cast(frozen(pictures), tf.float32)))


def test_each_spectrogram_is_computed_once_whoever_asks(pictures, tmp_path):
    frozen = _frozen()
    seen = _count_calls(frozen)
    compute_features(frozen, pictures[:40], open_feature_cache(tmp_path, frozen))
    again = _frozen()
    seen_again = _count_calls(again)
    order = [5, 50, 5, 69]
    rows = compute_features(again, pictures[order], open_feature_cache(tmp_path, again))
    assert (sum(seen), sum(seen_again)) == (40, 2)
    np.testing.assert_array_equal(rows[0], rows[2])


@pytest.mark.parametrize(
    "other", [{"seed": 2}, {"units": 5}, {"policy": "mixed_bfloat16"}], ids=str
)
def test_another_network_finds_nothing(pictures, tmp_path, other):
    frozen = _frozen()
    compute_features(frozen, pictures, open_feature_cache(tmp_path, frozen))
    assert open_feature_cache(tmp_path, frozen).shape == (48,)
    changed = _frozen(**other)
    seen = _count_calls(changed)
    compute_features(changed, pictures, open_feature_cache(tmp_path, changed))
    assert sum(seen) == 70


def test_a_view_is_always_the_same_and_views_differ(pictures):
    def noisy(batch, seed):
        return batch + tf.random.stateless_uniform(tf.shape(batch), seed)

    first, again, other = (Augmented(pictures, noisy, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first[3], again[3])
    assert not np.array_equal(first[3], other[3])
    # Each spectrogram has a draw of its own.
    noise = [first[number] - pictures[number] for number in (3, 4)]
    assert not np.allclose(*noise)
    assert (len(first), first[0].shape) == (70, (6, 5, 1))
