import keras
import numpy as np
import pytest
import tensorflow as tf

from serkit.gans.dcgan import DCGANSettings, build_dcgan
from serkit.gans.networks import critic, discriminator1, discriminator2, generator
from serkit.gans.trained_form import PlainForm, TrainedForm, trained_form

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


def _losses(gan, step) -> list[list[float]]:
    found = []
    for number in range(5):
        gan.reset_metrics()
        real = np.random.default_rng(number).uniform(-1, 1, (8, 224, 224, 1)).astype("float32")
        found.append([float(value) for value in step(real)])
    return found


def _plain(gan) -> None:
    """Have a GAN train Keras' own layers, one batch after the other."""
    generator, discriminator = gan.generator, gan.discriminator
    gan._generating = lambda inputs: generator(inputs, training=True)

    class Judging:
        def __call__(self, inputs):
            return discriminator(inputs, training=True)

        def both(self, first, second):
            return self(first), self(second)

    gan._judging = [Judging()]


def test_a_gans_losses_are_those_of_keras_layers_within_rounding():
    """Over several steps of descent; Adam, which divides by what is nearly 0, makes rounding grow.

    Keras' own layers with weights changed by 1e-7 were 1e-5 off at Adam's third step and 1e-3 at
    its sixth.
    """
    settings = DCGANSettings(width=0.1, batch_size=8, discriminator="discriminator2")
    fast, plain = build_dcgan(settings, seed=0), build_dcgan(settings, seed=0)
    _plain(plain)
    for gan in (fast, plain):
        gan.compile(keras.optimizers.SGD(0.02), [keras.optimizers.SGD(0.02)])
    ours, theirs = (_losses(gan, gan.train_on_batch) for gan in (fast, plain))
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert not np.allclose(theirs[0], theirs[-1], atol=1e-2)


def test_with_a_gpu_networks_stay_as_they_are(monkeypatch):
    network = keras.Sequential([keras.Input((2,)), keras.layers.BatchNormalization()])
    assert isinstance(trained_form(network), TrainedForm)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    form = trained_form(network)
    assert isinstance(form, PlainForm)
    first, second = form.both(np.array([[1.0, 2.0], [3.0, 6.0]]), np.array([[5.0, 5.0]] * 2))
    np.testing.assert_allclose(first, [[-1, -1], [1, 1]], atol=1e-2)
    np.testing.assert_allclose(second, np.zeros((2, 2)), atol=1e-6)
