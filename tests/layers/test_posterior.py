import keras
import numpy as np
import pytest
import tensorflow as tf

from serkit.layers import Conv2DVariational, DenseVariational, NormalPrior, ScaleMixturePrior
from serkit.layers.posterior import _unsoftplus


def _built(**kwargs):
    layer = DenseVariational(3, seed=1, **kwargs)
    layer.build((None, 5))
    return layer


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 0.05, 1.0, 20.0])
def test_posterior_starts_with_the_scale_that_was_asked_for(scale):
    np.testing.assert_allclose(_built(posterior_scale=scale).posterior.scale, scale, rtol=1e-5)
    np.testing.assert_allclose(tf.nn.softplus(_unsoftplus(np.array([scale]))), scale, rtol=1e-5)


def test_variables_have_the_names_of_tfp():
    names = [variable.name for variable in _built().trainable_variables]
    assert names == ["kernel_posterior_loc", "kernel_posterior_untransformed_scale", "bias"]


def test_a_prior_s_mean_is_the_posterior_s_initial_mean():
    layer = _built(prior=NormalPrior(0.1, mean_from_posterior=True), posterior_scale=0.1)
    np.testing.assert_array_equal(layer.kernel_prior_loc, layer.kernel_posterior_loc)
    assert float(layer.kl_divergence()) == pytest.approx(0, abs=1e-5)
    layer.kernel_posterior_loc.assign_add(tf.ones((5, 3)))
    # 15 weights, each 10 deviations away: 15 * 100 / 2.
    assert float(layer.kl_divergence()) == pytest.approx(750, rel=1e-4)


def test_a_relative_prior_is_as_wide_as_the_posterior_starts():
    layer = _built(prior=NormalPrior(1.0, True, relative=True), posterior_scale=0.3)
    assert float(layer.kl_divergence()) == pytest.approx(0, abs=1e-5)
    loc = np.arange(15, dtype="float32").reshape(5, 3)
    layer.set_posterior(loc, 0.1 * np.abs(loc) + 0.1)
    assert float(layer.kl_divergence()) == pytest.approx(0, abs=1e-5)
    np.testing.assert_allclose(layer.kernel_prior_unit, 0.1 * loc + 0.1, rtol=1e-6)


def test_at_the_mean_it_is_the_plain_layer(rng):
    layer, x = _built(posterior_scale=0.5), rng.normal(size=(2, 5)).astype("float32")
    with layer.at_mean():
        found = layer(x)
        assert not layer.losses
    np.testing.assert_allclose(found, x @ layer.kernel_posterior_loc + layer.bias, rtol=1e-5)
    assert not np.allclose(layer(x), found)


def test_set_posterior_sets_the_mean_of_the_prior():
    layer = _built(prior=NormalPrior(0.1, mean_from_posterior=True))
    loc = np.arange(15, dtype="float32").reshape(5, 3)
    layer.set_posterior(loc, 0.1 * np.abs(loc))
    np.testing.assert_array_equal(layer.kernel_prior_loc, loc)
    np.testing.assert_allclose(layer.posterior.scale, 0.1 * loc, rtol=1e-5, atol=1e-11)


def test_a_sampled_kernel_depends_on_the_seed_alone():
    layer = _built(posterior_scale=0.5)
    np.testing.assert_array_equal(layer.sample_kernel((1, 2)), layer.sample_kernel((1, 2)))
    assert not np.allclose(layer.sample_kernel((1, 2)), layer.sample_kernel((1, 3)))
    draw = tf.function(lambda number: layer.sample_kernel((7, number)))
    draws = np.stack([draw(tf.constant(number)) for number in range(800)])
    np.testing.assert_allclose(draws.std(axis=0), 0.5, rtol=0.12)
    np.testing.assert_allclose(draws.mean(axis=0), layer.posterior.loc, atol=0.09)


def test_calls_draw_anew_whether_training_or_not(rng):
    layer, x = _built(posterior_scale=0.5), rng.normal(size=(2, 5)).astype("float32")
    for training in (False, True):
        assert not np.allclose(layer(x, training=training), layer(x, training=training))


def test_layers_of_the_same_seed_draw_the_same(rng):
    x = rng.normal(size=(2, 5)).astype("float32")
    first, second = (_built(posterior_scale=0.5, kernel_initializer="ones") for _ in range(2))
    np.testing.assert_array_equal(first(x), second(x))


def test_the_divergence_counts_as_often_as_it_is_told(rng):
    layer = _built(kl_weight=0.25)
    layer(rng.normal(size=(2, 5)).astype("float32"))
    (loss,) = layer.losses
    np.testing.assert_allclose(loss, 0.25 * layer.kl_divergence(), rtol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_keeps_posterior_and_divergence_in_float32(rng, policy):
    priors = NormalPrior(), ScaleMixturePrior()
    layers = [Conv2DVariational(4, 3, dtype=policy, prior=prior) for prior in priors]
    model = keras.Sequential([keras.Input((8, 8, 1)), *layers, keras.layers.Flatten()])
    model.compile("adam", "mse", run_eagerly=True)
    x = rng.normal(size=(4, 8, 8, 1)).astype("float32")
    history = model.fit(x, np.zeros((4, 64), "float32"), epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    for layer in layers:
        x = layer(x)
        assert x.dtype == policy.removeprefix("mixed_")
        assert layer.losses[-1].dtype == "float32"
        assert {v.dtype for v in layer.trainable_variables if "posterior" in v.name} == {"float32"}


def test_mean_and_scale_both_get_gradients(rng):
    layer = DenseVariational(2, estimator="reparameterization", posterior_scale=0.1, use_bias=False)
    x = rng.normal(size=(3, 5)).astype("float32")
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(x) ** 2) + sum(layer.losses)
    gradients = tape.gradient(loss, layer.trainable_variables)
    assert all(np.abs(gradient).min() > 0 for gradient in gradients)
