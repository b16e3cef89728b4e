import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import integrate, stats
from tensorflow_probability import distributions as tfd

from serkit.errors import InputError
from serkit.layers import NormalPrior, ScaleMixturePrior
from serkit.layers.priors import get_prior


def _posterior(rng, weights):
    loc = rng.normal(0.1, 0.3, weights).astype("float32")
    return tfd.Normal(loc, rng.uniform(0.1, 0.5, weights).astype("float32"))


def test_normal_divergence_by_hand():
    # log(s2/s1) + (s1^2 + (m1 - m2)^2) / (2 s2^2) - 1/2, for two weights.
    posterior = tfd.Normal([1.0, 0.5], [0.5, 2.0])
    expected = np.log(2 / 0.5) + (0.25 + 0.25) / 8 - 0.5 + np.log(2 / 2.0) + (4 + 0) / 8 - 0.5
    found = NormalPrior(2.0, mean_from_posterior=True).kl_divergence(posterior, 0.5, 1.0, seed=None)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_formula_lies_within_the_error_of_draws(rng):
    posterior = _posterior(rng, 50)
    draws = posterior.sample(4000, seed=1)
    terms = posterior.log_prob(draws) - tfd.Normal(0.0, 0.7).log_prob(draws)
    sums = tf.reduce_sum(terms, axis=1).numpy()
    found = float(NormalPrior(0.7).kl_divergence(posterior, 0.0, 1.0, seed=None))
    error = sums.std() / np.sqrt(len(sums))
    assert abs(found - sums.mean()) < 4 * error < 0.03 * found


@pytest.mark.parametrize("kind", [NormalPrior, ScaleMixturePrior])
def test_relative_deviations_are_multiples_of_the_unit(kind):
    # Everything stretched by the unit of each weight: the KL is the same.
    unit = np.array([0.01, 2.0, 30.0], "float32")
    loc, scale = np.array([0.3, -0.2, 1.0], "float32"), np.array([0.5, 0.1, 2.0], "float32")
    expected = kind().kl_divergence(tfd.Normal(loc, scale), 0.0, 1.0, 5)
    found = kind(relative=True).kl_divergence(tfd.Normal(loc * unit, scale * unit), 0.0, unit, 5)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_mixture_is_on_average_the_integral():
    posterior, prior = tfd.Normal([0.3], [0.2]), ScaleMixturePrior(1.0, 0.1, 0.25)
    x = np.linspace(-1.2, 1.8, 20_001)
    q = stats.norm(0.3, 0.2).pdf(x)
    p = 0.25 * stats.norm(0, 1).pdf(x) + 0.75 * stats.norm(0, 0.1).pdf(x)
    expected = integrate.trapezoid(q * np.log(q / p), x)
    seed = keras.random.SeedGenerator(3)
    wide = tfd.Normal(np.full(20_000, 0.3, "float32"), np.full(20_000, 0.2, "float32"))
    found = float(prior.kl_divergence(wide, 0.0, 1.0, seed)) / 20_000
    assert found == pytest.approx(expected, rel=0.02)
    one, two = (float(prior.kl_divergence(posterior, 0.0, 1.0, seed)) for _ in range(2))
    assert one != two


def test_mixture_of_equals_is_a_normal(rng):
    posterior = _posterior(rng, 10)
    seed = 5
    mixture = ScaleMixturePrior(0.5, 0.5, 0.3).kl_divergence(posterior, 0.0, 1.0, seed)
    draw = posterior.loc + posterior.scale * keras.random.normal((10,), seed=seed)
    expected = tf.reduce_sum(posterior.log_prob(draw) - tfd.Normal(0.0, 0.5).log_prob(draw))
    np.testing.assert_allclose(mixture, expected, rtol=1e-5)


@pytest.mark.parametrize(
    "prior", [NormalPrior(0.3, True, True), ScaleMixturePrior(2.0, 0.1, 0.4, relative=True)]
)
def test_configuration_round_trip(prior):
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(prior))
    assert type(again) is type(prior)
    assert again.get_config() == prior.get_config()
    assert vars(again) == vars(prior)


@pytest.mark.parametrize("key", ["centred", "mean_from_posterior"])
def test_configurations_of_saved_models_are_read(key):
    assert NormalPrior.from_config({"scale": 0.3, key: True, "relative": False}).mean_from_posterior
    assert list(NormalPrior(0.3).get_config()) == ["scale", "centred", "relative"]


@pytest.mark.parametrize(
    ("make", "received"),
    [
        (lambda: NormalPrior(0.0), r"scale.*0\.0"),
        (lambda: NormalPrior(1e7), "scale.*1000000.*10000000"),
        (lambda: NormalPrior(float("nan")), "scale.*nan"),
        (lambda: ScaleMixturePrior(wide=-1.0), r"wide.*-1\.0"),
        (lambda: ScaleMixturePrior(fraction=1.5), r"fraction.*1\.5"),
    ],
)
def test_values_out_of_range_are_refused(make, received):
    with pytest.raises(InputError, match=received):
        make()


@pytest.mark.parametrize(
    "prior", [None, 3, keras.initializers.serialize(keras.initializers.Ones())]
)
def test_what_is_no_prior_is_refused(prior):
    with pytest.raises(InputError, match="`prior`"):
        get_prior(prior)
