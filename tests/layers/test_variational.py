import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from serkit.errors import InputError
from serkit.layers import Conv2DVariational, DenseVariational, NormalPrior, ScaleMixturePrior
from serkit.layers.posterior import ESTIMATORS

_LOCAL = "local_reparameterization"


def _model(seed=1):
    keras.utils.set_random_seed(seed)
    common = {"posterior_scale": 0.1, "kl_weight": 1e-4, "seed": seed}
    return keras.Sequential(
        [
            keras.Input((12, 10, 1)),
            Conv2DVariational(
                4, 3, 2, "same", "relu", prior=NormalPrior(0.1, mean_from_posterior=True), **common
            ),
            Conv2DVariational(4, (3, 2), estimator=_LOCAL, **common),
            keras.layers.Flatten(),
            DenseVariational(6, "tanh", **common),
            DenseVariational(3, prior=ScaleMixturePrior(), estimator=_LOCAL, **common),
        ]
    )


def _as(layer, plain, x):
    """A variational layer with the weights of a plain one, and a standard deviation of 0."""
    layer.build(x.shape)
    layer.set_posterior(plain.kernel.numpy(), 0.0)
    layer.bias.assign(plain.bias)
    return layer


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("shape", [(4, 5), (2, 3, 5)])
def test_dense_without_deviation_is_keras_dense(rng, estimator, shape):
    x = rng.normal(size=shape).astype("float32")
    plain = keras.layers.Dense(3, "relu", bias_initializer="normal")
    expected = plain(x)
    layer = _as(DenseVariational(3, "relu", estimator=estimator), plain, x)
    np.testing.assert_allclose(layer(x), expected, atol=1e-6)
    assert layer.compute_output_shape(x.shape) == expected.shape


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize(("strides", "padding"), [(1, "valid"), ((2, 1), "same")])
def test_convolution_without_deviation_is_keras_conv2d(rng, estimator, strides, padding):
    x = rng.normal(size=(2, 9, 8, 2)).astype("float32")
    plain = keras.layers.Conv2D(3, (3, 2), strides, padding, bias_initializer="normal")
    expected = plain(x)
    layer = _as(Conv2DVariational(3, (3, 2), strides, padding, estimator=estimator), plain, x)
    np.testing.assert_allclose(layer(x), expected, atol=1e-6)
    assert layer.compute_output_shape(x.shape) == expected.shape


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize(
    ("kind", "size"), [(DenseVariational, (4,)), (Conv2DVariational, (4, (3, 1), 2))]
)
@pytest.mark.parametrize("prior", [NormalPrior(0.5, mean_from_posterior=True), "scale_mixture"])
def test_configuration_round_trip(kind, size, estimator, prior):
    arguments = {
        "use_bias": False,
        "activation": "relu",
        "estimator": estimator,
        "posterior_scale": 0.02,
        "prior": prior,
        "kl_weight": 0.125,
        "seed": 9,
        "name": "one",
    }
    layer = kind(*size, **arguments)
    again = kind.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert again.prior.get_config() == layer.prior.get_config()
    assert again.estimator == estimator


def test_prior_by_name():
    assert DenseVariational(1).prior.get_config() == NormalPrior().get_config()
    found = DenseVariational(1, prior="scale_mixture").prior
    assert found.get_config() == ScaleMixturePrior().get_config()


def _trained(x, model):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, jit_compile=False)
    fit = model.fit(x, np.arange(4) % 3, epochs=25, verbose=0, shuffle=False)
    assert fit.history["loss"][-1] < fit.history["loss"][0]
    return model


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).normal(size=(4, 12, 10, 1)).astype("float32")


@pytest.fixture(scope="module")
def trained(x):
    return _trained(x, _model())


def test_same_seed_same_training(trained, x):
    again = _trained(x, _model())
    for first, second in zip(trained.weights, again.weights, strict=True):
        np.testing.assert_array_equal(first, second)


def test_in_another_process_it_is_sampled_alike_and_trains_with_xla(trained, x, tmp_path):
    """Keras uses no XLA in a process that is deterministic, as this one may be."""
    np.save(tmp_path / "x.npy", x)
    trained.save(tmp_path / "model.keras")
    expected = np.stack(
        [layer.sample_kernel((5, 6)).numpy().sum() for layer in trained.layers[::3]]
    )
    code = (
        "import sys, keras, numpy as np, serkit.layers\n"
        "model = keras.models.load_model(sys.argv[1] + '/model.keras')\n"
        "x = np.load(sys.argv[1] + '/x.npy')\n"
        "sums = [layer.sample_kernel((5, 6)).numpy().sum() for layer in model.layers[::3]]\n"
        "np.savez(sys.argv[1] + '/found.npz', sums=sums, one=model(x), two=model(x))\n"
        "loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)\n"
        "small = keras.Sequential([keras.Input((12, 10, 1)),\n"
        "    serkit.layers.Conv2DVariational(2, 3, 4, kl_weight=1e-4, seed=1),\n"
        "    keras.layers.Flatten(),\n"
        "    serkit.layers.DenseVariational(3, estimator='local_reparameterization',\n"
        "        kl_weight=1e-4, seed=2)])\n"
        "small.compile('adam', loss, jit_compile=True)\n"
        "found = small.fit(x, np.arange(4) % 3, epochs=25, verbose=0).history['loss']\n"
        "assert small.jit_compile and found[-1] < found[0]\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    found = np.load(tmp_path / "found.npz")
    np.testing.assert_allclose(found["sums"], expected, rtol=1e-5)
    # A loaded model draws from the start of its seed, whatever was drawn before it was saved.
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(found["one"], again(x), rtol=1e-4, atol=1e-5)
    assert not np.allclose(found["one"], found["two"])


def test_an_exported_model_still_draws(trained, x, tmp_path):
    trained.export(tmp_path / "exported", verbose=False)
    # The variables live as long as the loaded model.
    loaded = tf.saved_model.load(tmp_path / "exported")
    draws = np.stack([loaded.serve(x) for _ in range(60)])
    assert draws.std(axis=0).min() > 0
    own = np.stack([trained(x) for _ in range(60)])
    np.testing.assert_allclose(draws.mean(0), own.mean(0), atol=5 * own.std() / 60**0.5)


def test_a_regression_with_a_known_posterior_is_recovered(rng):
    """Conjugate: a line through 40 points of known noise; its two weights are independent.

    The estimators are trained at once, each in an output of its own.
    """
    noise, clips = 0.5, 40
    t = np.linspace(-1, 1, clips)
    features = np.stack([np.ones(clips), t], axis=1).astype("float32")
    y = features @ [1.0, 2.0] + rng.normal(0, noise, clips)
    precision = features.T @ features / noise**2 + np.eye(2)
    mean = np.linalg.solve(precision, features.T @ y / noise**2)
    common = {"use_bias": False, "posterior_scale": 0.02, "kl_weight": 1 / clips, "seed": 3}
    layers = {name: DenseVariational(1, estimator=name, **common) for name in ESTIMATORS}
    inputs = keras.Input((2,))
    outputs = keras.layers.Concatenate()([layer(inputs) for layer in layers.values()])
    model = keras.Model(inputs, outputs)
    steps = 3000
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.03, steps)),
        lambda y_true, y_pred: keras.ops.sum((y_true - y_pred) ** 2, axis=-1) / (2 * noise**2),
        steps_per_execution=100,
    )
    # Every point many times in a batch, so that the signs and draws of one step average out.
    batch = [np.tile(each, (20, 1)).astype("float32") for each in (features, y[:, None])]
    data = tf.data.Dataset.from_tensors(tuple(batch)).repeat()
    model.fit(data, steps_per_epoch=steps, verbose=0)
    deviation = np.sqrt(np.diag(np.linalg.inv(precision)))
    for name, layer in layers.items():
        np.testing.assert_allclose(layer.posterior.loc[:, 0], mean, rtol=0.05, err_msg=name)
        np.testing.assert_allclose(layer.posterior.scale[:, 0], deviation, rtol=0.05, err_msg=name)


@pytest.mark.parametrize(
    ("make", "received"),
    [
        (lambda: DenseVariational(0), "units.*0"),
        (lambda: DenseVariational(1, estimator="dropconnect"), "estimator.*dropconnect"),
        (lambda: DenseVariational(1, prior="laplace"), "prior.*laplace"),
        (lambda: DenseVariational(3, posterior_scale=0.0), r"posterior_scale.*0\.0"),
        (lambda: DenseVariational(3, kl_weight=-1.0), r"kl_weight.*-1\.0"),
        (lambda: Conv2DVariational(4, 0), "kernel_size.*0"),
        (lambda: Conv2DVariational(4, 3, padding="causal"), "padding.*causal"),
        (lambda: Conv2DVariational(-1, 3), "filters.*-1"),
    ],
)
def test_values_out_of_range_are_refused(make, received):
    with pytest.raises(InputError, match=received):
        make()
