"""The report's DCGAN as a Keras model: ``compile``, ``fit`` and a ``train_step`` of its own."""

from dataclasses import dataclass

import keras
import tensorflow as tf

from serkit.errors import check_choice, check_range
from serkit.gans.adversarial import GAN, GANSettings, descend
from serkit.gans.losses import discriminator_loss, generator_loss
from serkit.gans.networks import DISCRIMINATORS, generator
from serkit.seeds import derive_seed


@dataclass(frozen=True)
class DCGANSettings(GANSettings):
    """How a DCGAN is built and trained; the defaults are the report's (section 6.1).

    Attributes:
        discriminator: ``discriminator1`` or ``discriminator2``.
        generator_rate: Adam's learning rate; the report gives 1.7e-4 to 2e-4.
        discriminator_rate: the report gives 2e-5 to 5e-5.
        beta_1: Adam's; 0.5 as in the DCGAN paper.

    The others are those of :class:`serkit.gans.adversarial.GANSettings`.

    Raises:
        InputError: for a value out of range.
    """

    discriminator: str = "discriminator1"
    generator_rate: float = 2e-4
    discriminator_rate: float = 5e-5
    beta_1: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("discriminator", self.discriminator, DISCRIMINATORS)
        check_range("beta_1", self.beta_1, 0.0, 0.999)
        for name in ("generator_rate", "discriminator_rate"):
            check_range(name, getattr(self, name), 0.0, 1.0)


class DCGAN(GAN):
    """A generator and a discriminator trained against each other.

    Each step teaches the discriminator, then the generator on the same generated examples. Real
    and generated ones go through the discriminator as two batches. (The report's section 4.1.1
    puts them into one; batch normalisation then sees how they differ within that batch, which it
    cannot when the generator is taught: the discriminator's loss fell to 0 in a hundred steps and
    the generator learned nothing.)

    Args:
        generator: from ``(batch, latent)`` to ``(batch, frames, bins, 1)``.
        discriminator: from such a picture to a logit ``(batch, 1)``.
        seed: of the noise.

    Call arguments:
        noise: float32 ``(batch, latent)``.

    Source: report, section 6.1; Radford et al. (2016), arXiv:1511.06434.
    """

    def __init__(self, generator: keras.Model, discriminator: keras.Model, seed: int = 0) -> None:
        tracked = "d_loss", "g_loss", "d_real", "d_fake"
        super().__init__(generator, discriminator, seed, tracked, "dcgan")

    def train_step(self, data) -> dict[str, tf.Tensor]:
        real = data[0] if isinstance(data, tuple) else data
        noise = self.noise(tf.shape(real)[0], self.step_seed())
        with tf.GradientTape() as generator_tape:
            fake = self.generator(noise, training=True)
            with tf.GradientTape() as discriminator_tape:
                real_logits = self.discriminator(real, training=True)
                fake_logits = self.discriminator(tf.stop_gradient(fake), training=True)
                d_loss = discriminator_loss(real_logits, fake_logits)
            descend(discriminator_tape, d_loss, self.discriminator, self.discriminator_optimizer)
            g_loss = generator_loss(self.discriminator(fake, training=True))
        descend(generator_tape, g_loss, self.generator, self.generator_optimizer)
        return self.report(d_loss, g_loss, tf.sigmoid(real_logits), tf.sigmoid(fake_logits))


def build_dcgan(settings: DCGANSettings, seed: int) -> DCGAN:
    """A compiled DCGAN with fresh weights; same settings and seed, same weights."""
    gan = DCGAN(
        generator(settings.width, settings.latent, derive_seed(seed, "generator")),
        DISCRIMINATORS[settings.discriminator](settings.width, derive_seed(seed, "discriminator")),
        seed=derive_seed(seed, "noise"),
    )
    adam = keras.optimizers.Adam
    gan.compile(
        generator_optimizer=adam(settings.generator_rate, settings.beta_1),
        discriminator_optimizer=adam(settings.discriminator_rate, settings.beta_1),
    )
    return gan
