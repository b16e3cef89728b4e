import keras
import numpy as np
import pytest

from serkit.datasets.splits import Speakers
from serkit.errors import InputError
from serkit.layers import Conv2DVariational, KLWarmup
from serkit.layers.variational import variational_layers
from serkit.models.bayesian import BayesianSettings, from_deterministic, linear_layers
from serkit.models.compact import CompactSettings, compact
from serkit.models.fitting import FitSettings, fit_classifier
from serkit.training.examples import Examples

SMALL = CompactSettings(channels=(4, 8))


def _compact(seed=3):
    return compact(3, (32, 32, 1), SMALL, seed=seed)


def _batch(rng, clips=4):
    return rng.uniform(-0.9, 1, (clips, 32, 32, 1)).astype("float32")


def test_with_hardly_any_deviation_it_answers_as_before(rng):
    model, x = _compact(), _batch(rng)
    model.get_layer("logits").bias.assign([0.5, -0.5, 0.1])
    made = from_deterministic(model, delta=1e-6)
    np.testing.assert_allclose(made(x), model(x), atol=1e-4)
    assert not {id(each) for each in made.variables} & {id(each) for each in model.variables}
    assert [layer.name for layer in made.layers] == [layer.name for layer in model.layers]


def test_weights_deviate_in_proportion_to_their_size():
    model = _compact()
    made = from_deterministic(model, delta=0.2)
    posterior, kernel = made.get_layer("logits").posterior, model.get_layer("logits").kernel
    np.testing.assert_array_equal(posterior.loc, kernel)
    size = np.sqrt(np.mean(np.square(kernel)))
    expected = 0.2 * np.maximum(np.abs(kernel), 0.1 * size)
    np.testing.assert_allclose(posterior.scale, expected, rtol=1e-4)
    assert (np.abs(kernel) > 0.1 * size).mean() > 0.8


def test_a_small_step_from_the_start_costs_little():
    """However small the smallest weights are."""
    model = _compact()
    kernel = np.asarray(model.get_layer("logits").kernel)
    model.get_layer("logits").kernel.assign(
        np.where(np.arange(kernel.size).reshape(kernel.shape) % 2, kernel, 1e-9)
    )
    layer = from_deterministic(model, delta=0.3).get_layer("logits")
    layer.kernel_posterior_loc.assign_add(np.full(kernel.shape, 3e-4))
    assert 0 < float(layer.kl_divergence()) / kernel.size < 0.01


def test_by_default_trained_weights_start_at_their_prior_and_new_ones_around_zero():
    model = _compact()
    for layer in variational_layers(from_deterministic(model, 0.2)):
        assert float(layer.kl_divergence()) == pytest.approx(0, abs=1e-3)
    new = from_deterministic(model, None).get_layer("logits").prior
    size = np.sqrt(np.mean(np.square(model.get_layer("logits").kernel)))
    assert (new.mean_from_posterior, new.relative) == (False, False)
    assert new.scale == pytest.approx(size, rel=1e-5)


def test_priors_lie_where_they_are_told(rng):
    model = _compact()
    size = np.sqrt(np.mean(np.square(model.get_layer("logits").kernel)))
    settings = BayesianSettings(prior=0.5, unit="layer")
    centred = from_deterministic(model, settings=settings).get_layer("logits")
    assert centred.prior.scale == pytest.approx(0.5 * size, rel=1e-5)
    np.testing.assert_array_equal(centred.kernel_prior_loc, centred.posterior.loc)
    settings = BayesianSettings(centred=False, convolution="local")
    around_zero = from_deterministic(model, settings=settings)
    assert not hasattr(around_zero.get_layer("logits"), "kernel_prior_loc")
    convolutions = [each for each in around_zero.layers if isinstance(each, Conv2DVariational)]
    assert {each.estimator for each in convolutions} == {"local_reparameterization"}


def test_chosen_layers_alone():
    model = _compact()
    made = from_deterministic(model, layers=linear_layers(model)[-2:])
    assert [layer.name for layer in variational_layers(made)] == linear_layers(model)[-2:]


def _small():
    """A convolution, with Flipout, and a dense layer, with local reparameterisation."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input((32, 32, 1))
    x = keras.layers.Conv2D(4, 5, strides=4, activation="relu")(inputs)
    return keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(x)))


def test_trains_as_any_classifier_and_resumes(rng, tmp_path):
    """The KL's warm-up and the state of all draws go on where they were."""
    labels = np.arange(24) % 3
    x = rng.normal(0, 0.3, (24, 32, 32, 1)).astype("float32")
    x[np.arange(24), 4 + 8 * labels] += 0.8
    train = Examples(x[:18], frozenset("a"), labels[:18])
    validation = Examples(x[18:], frozenset("b"), labels[18:])
    speakers = Speakers(frozenset("a"), frozenset("b"), frozenset())
    settings = FitSettings(epochs=4, steps_per_epoch=3, batch_size=6, keep="last")

    def fit(folder, epochs=4):
        model = from_deterministic(_small(), 0.1, seed=5)
        stop = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: _stop(epoch, epochs))
        try:
            fit_classifier(
                model,
                train,
                validation,
                speakers,
                settings,
                1,
                folder,
                callbacks=(KLWarmup(18, 3), stop),
                verbose=0,
            )
        except KeyboardInterrupt:
            return None
        return model.get_weights()

    whole = fit(tmp_path / "whole")
    assert fit(tmp_path / "killed", epochs=2) is None
    for first, second in zip(whole, fit(tmp_path / "killed"), strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-5)


def _stop(epoch, epochs):
    if epoch >= epochs:
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("call", "received"),
    [
        (lambda: from_deterministic(_small(), layers=["relu"]), "layers.* relu"),
        (lambda: from_deterministic(_small(), delta=0.0), r"delta.* ?0\.0"),
        (lambda: BayesianSettings(prior=0.0), r"prior.*0\.0"),
        (lambda: BayesianSettings(unit="clip"), "unit.*clip"),
        (lambda: BayesianSettings(dense="exact"), "dense.*exact"),
    ],
)
def test_values_out_of_range_are_refused(call, received):
    with pytest.raises(InputError, match=received):
        call()


def test_convolutions_with_groups_or_dilation_are_refused():
    inputs = keras.Input((8, 8, 2))
    outputs = keras.layers.Conv2D(4, 3, dilation_rate=2, name="wide")(inputs)
    with pytest.raises(InputError, match=r"wide.* dilat"):
        from_deterministic(keras.Model(inputs, outputs))
