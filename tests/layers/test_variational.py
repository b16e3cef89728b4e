import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from serkit.errors import InputError
from serkit.layers import variational
from serkit.layers.priors import NormalPrior, ScaleMixturePrior

DENSE = ["DenseReparameterization", "DenseFlipout", "DenseLocalReparameterization"]
CONV = ["Conv2DReparameterization", "Conv2DFlipout", "Conv2DLocalReparameterization"]


def _model(seed=1):
    keras.utils.set_random_seed(seed)
    common = {"posterior_scale": 0.1, "kl_weight": 1e-4, "seed": seed}
    return keras.Sequential(
        [
            keras.Input((12, 10, 1)),
            variational.Conv2DFlipout(
                *(4, 3, 2, "same", "relu"), kernel_prior=NormalPrior(0.1, centred=True), **common
            ),
            variational.Conv2DLocalReparameterization(4, (3, 2), **common),
            keras.layers.Flatten(),
            variational.DenseFlipout(6, "tanh", **common),
            variational.DenseLocalReparameterization(3, kernel_prior=ScaleMixturePrior(), **common),
        ]
    )


def _batch(rng):
    return rng.normal(size=(4, 12, 10, 1)).astype("float32")


@pytest.mark.parametrize("name", DENSE)
@pytest.mark.parametrize("shape", [(4, 5), (2, 3, 5)])
def test_dense_at_zero_scale_is_keras_own(rng, name, shape):
    x = rng.normal(size=shape).astype("float32")
    plain = keras.layers.Dense(3, "relu", bias_initializer="normal")
    expected = plain(x)
    layer = getattr(variational, name)(3, "relu")
    layer.build(x.shape)
    layer.set_posterior(plain.kernel.numpy(), 0.0)
    layer.bias.assign(plain.bias)
    np.testing.assert_allclose(layer(x), expected, atol=1e-6)
    assert layer.compute_output_shape(x.shape) == expected.shape


@pytest.mark.parametrize("name", CONV)
@pytest.mark.parametrize(("strides", "padding"), [(1, "valid"), ((2, 1), "same")])
def test_convolution_at_zero_scale_is_keras_own(rng, name, strides, padding):
    x = rng.normal(size=(2, 9, 8, 2)).astype("float32")
    plain = keras.layers.Conv2D(3, (3, 2), strides, padding, bias_initializer="normal")
    expected = plain(x)
    layer = getattr(variational, name)(3, (3, 2), strides, padding)
    layer.build(x.shape)
    layer.set_posterior(plain.kernel.numpy(), 0.0)
    layer.bias.assign(plain.bias)
    np.testing.assert_allclose(layer(x), expected, atol=1e-6)
    assert layer.compute_output_shape(x.shape) == expected.shape


@pytest.mark.parametrize("name", DENSE + CONV)
def test_configuration_round_trip(name):
    arguments = {
        "use_bias": False,
        "activation": "relu",
        "posterior_scale": 0.02,
        "kernel_prior": NormalPrior(0.5, centred=True),
        "kl_weight": 0.125,
        "seed": 9,
        "name": "one",
    }
    size = (4,) if name in DENSE else (4, (3, 1), 2)
    layer = getattr(variational, name)(*size, **arguments)
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


@pytest.mark.parametrize("compiled", [False, True])
def test_trains_and_saves_what_another_process_samples_alike(rng, tmp_path, compiled):
    model, x = _model(), _batch(rng)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, jit_compile=compiled)
    history = model.fit(x, np.arange(4) % 3, epochs=25, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    np.save(tmp_path / "x.npy", x)
    model.save(tmp_path / "model.keras")
    expected = np.stack([layer.draw((5, 6)).numpy().sum() for layer in model.layers[::3]])
    code = (
        "import sys, keras, numpy as np, serkit.layers.variational\n"
        "model = keras.models.load_model(sys.argv[1] + '/model.keras')\n"
        "x = np.load(sys.argv[1] + '/x.npy')\n"
        "sums = [layer.draw((5, 6)).numpy().sum() for layer in model.layers[::3]]\n"
        "np.savez(sys.argv[1] + '/found.npz', sums=sums, one=model(x), two=model(x))\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    found = np.load(tmp_path / "found.npz")
    np.testing.assert_allclose(found["sums"], expected, rtol=1e-5)
    # What was loaded draws from its seed on, whatever had been drawn before it was saved.
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(found["one"], again(x), rtol=1e-4, atol=1e-5)
    assert not np.allclose(found["one"], found["two"])


def test_exported_it_goes_on_drawing(rng, tmp_path):
    model, x = _model(), _batch(rng)
    model.export(tmp_path / "exported", verbose=False)
    # The variables live as long as what was loaded.
    loaded = tf.saved_model.load(tmp_path / "exported")
    draws = np.stack([loaded.serve(x) for _ in range(60)])
    assert draws.std(axis=0).min() > 0
    own = np.stack([model(x) for _ in range(60)])
    np.testing.assert_allclose(draws.mean(0), own.mean(0), atol=5 * own.std() / 60**0.5)


def test_same_seed_same_training(rng):
    x = _batch(rng)

    def weights():
        model = _model()
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.fit(x, np.arange(4) % 3, epochs=2, verbose=0, shuffle=False)
        return model.get_weights()

    for first, second in zip(weights(), weights(), strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", DENSE)
def test_a_regression_with_a_known_posterior_is_recovered(rng, name):
    """Conjugate: a line through 40 points of known noise; its two weights are independent."""
    noise, clips = 0.5, 40
    t = np.linspace(-1, 1, clips)
    features = np.stack([np.ones(clips), t], axis=1).astype("float32")
    y = features @ [1.0, 2.0] + rng.normal(0, noise, clips)
    precision = features.T @ features / noise**2 + np.eye(2)
    mean = np.linalg.solve(precision, features.T @ y / noise**2)
    layer = getattr(variational, name)(
        1, use_bias=False, posterior_scale=0.02, kl_weight=1 / clips, seed=3
    )
    model = keras.Sequential([keras.Input((2,)), layer])
    steps = 3000
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.03, steps)),
        lambda true, found: keras.ops.mean((true - found) ** 2) / (2 * noise**2),
    )
    # Every point many times in a batch, so that the signs and draws of one step average out.
    batch = [np.tile(each, (20, 1)).astype("float32") for each in (features, y[:, None])]
    data = tf.data.Dataset.from_tensors(tuple(batch)).repeat()
    model.fit(data, steps_per_epoch=steps, verbose=0)
    deviation = np.sqrt(np.diag(np.linalg.inv(precision)))
    np.testing.assert_allclose(layer.posterior.loc[:, 0], mean, rtol=0.05)
    np.testing.assert_allclose(layer.posterior.scale[:, 0], deviation, rtol=0.05)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: variational.DenseFlipout(0), "units=0"),
        (lambda: variational.Conv2DFlipout(4, 0), "kernel_size=0"),
        (lambda: variational.Conv2DFlipout(4, 3, padding="causal"), "padding='causal'"),
        (lambda: variational.Conv2DFlipout(-1, 3), "filters=-1"),
    ],
)
def test_refuses(make, word):
    with pytest.raises(InputError, match=word):
        make()
