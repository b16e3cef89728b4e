import keras
import numpy as np
import pytest
import tensorflow as tf

from serkit.gans.cpu_fast_path import PlainForm, TrainedForm, trained_form
from serkit.gans.networks import critic, discriminator1, discriminator2, generator
from serkit.training.precision import precision

BUILDS = generator, discriminator1, discriminator2, critic


def _batches(build, rng) -> list[np.ndarray]:
    shape = (4, 5) if build is generator else (4, 224, 224, 1)
    return [rng.uniform(-1, 1, shape).astype("float32") for _ in range(2)]


@pytest.mark.parametrize("build", BUILDS)
def test_two_batches_in_one_pass_are_as_one_after_the_other(build, rng):
    """Also what batch norm remembers, and what dropout leaves out."""
    plain, network = build(0.1, seed=1), build(0.1, seed=1)
    first, second = _batches(build, rng)
    expected = plain(first, training=True), plain(second, training=True)
    for one, other in zip(TrainedForm(network).both(first, second), expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
    for one, other in zip(network.variables, plain.variables, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("build", BUILDS)
def test_one_batch_is_as_before(build, rng):
    plain, network = build(0.1, seed=1), build(0.1, seed=1)
    batch, _ = _batches(build, rng)
    expected = plain(batch, training=True)
    np.testing.assert_allclose(TrainedForm(network)(batch), expected, atol=1e-4)


def test_classes_go_with_their_batches(rng):
    plain, network = (discriminator2(0.05, seed=1, classes=3) for _ in range(2))
    first, second = _batches(discriminator2, rng)
    labels = tf.constant([0, 1, 2, 1]), tf.constant([2, 2, 0, 1])
    inputs = [tf.constant(first), labels[0]], [tf.constant(second), labels[1]]
    expected = [plain(batch, training=True) for batch in inputs]
    for one, other in zip(TrainedForm(network).both(*inputs), expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_a_network_with_a_form_is_saved_as_plain_keras(tmp_path, rng):
    network = discriminator2(0.05)
    count = len(network.variables)
    first, second = _batches(discriminator2, rng)
    TrainedForm(network).both(first, second)
    network.save(tmp_path / "network.keras")
    loaded = keras.models.load_model(tmp_path / "network.keras")
    assert len(loaded.variables) == count
    assert {type(layer).__module__.split(".")[0] for layer in loaded.layers} == {"keras"}
    np.testing.assert_array_equal(loaded(first), network(first))


def test_layers_of_other_kinds_stay_as_they_are(rng):
    """Such as those of the tests' small networks, or of users' own."""

    def build():
        keras.utils.set_random_seed(3)
        layers = keras.layers
        return keras.Sequential([
            keras.Input((8, 8, 2)),
            layers.Conv2D(4, 3, 2, padding="same", activation="relu"),
            layers.BatchNormalization(scale=False),
            layers.ReLU(max_value=1.0),
            layers.Flatten(), layers.Dense(6), layers.BatchNormalization(),
        ])  # fmt: skip

    network, plain = build(), build()
    first, second = (tf.constant(rng.normal(size=(4, 8, 8, 2)), tf.float32) for _ in range(2))
    expected = plain(first, training=True), plain(second, training=True)
    for one, other in zip(TrainedForm(network).both(first, second), expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    for one, other in zip(network.variables, plain.variables, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_a_generators_gradients_are_as_near_to_the_true_ones_as_keras_are():
    """Truth is float64. Through batch norm of few positions even Keras' are 1e-3 off in float32."""
    noise = np.random.default_rng(0).standard_normal((8, 5))
    networks = generator(0.1, 5, 3), discriminator2(0.1, 7)
    with precision("float64"):
        doubles = generator(0.1, 5, 3), discriminator2(0.1, 7)
    for network, double in zip(networks, doubles, strict=True):
        for variable, value in zip(double.variables, network.variables, strict=True):
            variable.assign(np.asarray(value, np.float64))

    def gradients(networks, make, discriminate, dtype):
        with tf.GradientTape() as tape:
            logits = discriminate(tf.cast(make(tf.cast(noise, dtype)), dtype))
            loss = tf.reduce_mean(tf.nn.softplus(-tf.cast(logits, dtype)))
        found = tape.gradient(loss, [v.value for v in networks[0].trainable_variables])
        return np.concatenate([np.ravel(one).astype(np.float64) for one in found])

    truth = gradients(doubles, *map(PlainForm, doubles), tf.float64)
    plain = gradients(networks, *map(PlainForm, networks), tf.float32)
    fast = gradients(networks, *map(TrainedForm, networks), tf.float32)
    errors = [np.linalg.norm(one - truth) / np.linalg.norm(truth) for one in (plain, fast)]
    assert errors[1] < max(3 * errors[0], 1e-3) < 0.02


def test_with_a_gpu_networks_stay_as_they_are(monkeypatch):
    network = keras.Sequential([keras.Input((2,)), keras.layers.BatchNormalization()])
    assert isinstance(trained_form(network), TrainedForm)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    form = trained_form(network)
    assert isinstance(form, PlainForm)
    first, second = form.both(np.array([[1.0, 2.0], [3.0, 6.0]]), np.array([[5.0, 5.0]] * 2))
    np.testing.assert_allclose(first, [[-1, -1], [1, 1]], atol=1e-2)
    np.testing.assert_allclose(second, np.zeros((2, 2)), atol=1e-6)
