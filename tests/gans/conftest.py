"""GANs of a few weights, for what does not depend on the networks: a real one takes seconds."""

import keras
import numpy as np
import pytest

from serkit.datasets.splits import Speakers
from serkit.gans.base import GAN, GANSettings
from serkit.gans.dcgan import DCGAN, DCGANSettings
from serkit.gans.wgan_gp import WGANGP
from serkit.training.examples import Examples

SHAPE = (4, 3, 1)


def _dense(units: int, seed: int):
    start = keras.initializers.GlorotUniform(seed=seed)
    return keras.layers.Dense(units, kernel_initializer=start)


def _classes(classes: int, length: int, seed: int) -> tuple:
    number = keras.Input((), dtype="int32", name="class")
    start = keras.initializers.RandomNormal(seed=seed)
    return number, keras.layers.Embedding(classes, length, start, name="class_vector")(number)


def small_generator(classes: int = 0, seed: int = 0, latent: int = 5) -> keras.Model:
    inputs = x = keras.Input((latent,), name="noise")
    if classes:
        number, vector = _classes(classes, latent, seed)
        inputs, x = [x, number], keras.layers.Concatenate()([x, vector])
    x = keras.layers.Reshape(SHAPE)(_dense(12, seed)(x))
    x = keras.layers.Activation("tanh")(keras.layers.BatchNormalization()(x))
    return keras.Model(inputs, x, name="generator")


def small_discriminator(
    name: str, classes: int = 0, seed: int = 0, dropout: float = 0.0
) -> keras.Model:
    inputs = x = keras.Input(SHAPE, name="spectrogram")
    x = keras.layers.Flatten()(x)
    if classes:
        number, vector = _classes(classes, 5, seed)
        inputs, x = [inputs, number], keras.layers.Concatenate()([x, vector])
    x = keras.layers.LeakyReLU()(_dense(6, seed)(x))
    if dropout:
        x = keras.layers.Dropout(dropout, seed=seed)(x)
    return keras.Model(inputs, _dense(1, seed + 1)(x), name=name)


@pytest.fixture(scope="session")
def small_gan():
    """Makes a GAN as the settings say, but for its networks: ``small_gan(settings, seed)``.

    It runs eagerly, because a few steps take less time than to trace them.
    """

    def make(settings: GANSettings, seed: int = 0, run_eagerly: bool = True) -> GAN:
        classes, dcgan = settings.classes, isinstance(settings, DCGANSettings)
        names = [settings.discriminator] if dcgan else ["critic"]
        if names == ["staged"]:
            names = ["discriminator1", "discriminator2"]
        discriminators = [
            small_discriminator(name, classes, seed + number, dropout=0.4 if dcgan else 0.0)
            for number, name in enumerate(names)
        ]
        gan = (DCGAN if dcgan else WGANGP)(
            settings,
            seed,
            generator=small_generator(classes, seed, settings.latent),
            discriminators=discriminators,
        )
        gan.compile(run_eagerly=run_eagerly)
        return gan

    return make


@pytest.fixture(scope="session")
def small_networks():
    """``(small_generator, small_discriminator)``, what :func:`small_gan` is made of."""
    return small_generator, small_discriminator


@pytest.fixture(scope="session")
def speakers() -> Speakers:
    return Speakers(frozenset("ab"), frozenset("c"), frozenset("d"))


@pytest.fixture(scope="session")
def small_examples() -> Examples:
    """Eight clips of three classes, of a size for :func:`small_gan`."""
    drawn = np.random.default_rng(0).uniform(-1, 1, (8, *SHAPE)).astype("float32")
    return Examples(drawn, frozenset("ab"), np.arange(8) % 3)
