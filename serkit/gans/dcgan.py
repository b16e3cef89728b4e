"""The report's DCGAN as a Keras model: ``compile``, ``fit`` and a ``train_step`` of its own."""

from dataclasses import dataclass

import keras
import tensorflow as tf

from serkit.errors import check_choice, check_range
from serkit.gans.losses import discriminator_loss, generator_loss
from serkit.gans.networks import DISCRIMINATORS, LATENT, generator
from serkit.seeds import derive_seed


@dataclass(frozen=True)
class DCGANSettings:
    """How a DCGAN is built and trained; the defaults are the report's (section 6.1).

    Attributes:
        discriminator: ``discriminator1`` or ``discriminator2``.
        width: factor on the channel counts of both networks.
        latent: length of the noise vector.
        batch_size: real examples per step, and as many generated ones.
        generator_rate: Adam's learning rate; the report gives 1.7e-4 to 2e-4.
        discriminator_rate: the report gives 2e-5 to 5e-5.
        beta_1: Adam's; 0.5 as in the DCGAN paper.
        steps: optimiser steps of each network.
        steps_per_epoch: how often the history gets a line and the state is kept.
    """

    discriminator: str = "discriminator1"
    width: float = 1.0
    latent: int = LATENT
    batch_size: int = 128
    generator_rate: float = 2e-4
    discriminator_rate: float = 5e-5
    beta_1: float = 0.5
    steps: int = 2000
    steps_per_epoch: int = 20

    def __post_init__(self) -> None:
        check_choice("discriminator", self.discriminator, DISCRIMINATORS)
        check_range("width", self.width, 0.01, 4.0)
        check_range("latent", self.latent, 1)
        check_range("beta_1", self.beta_1, 0.0, 0.999)
        check_range("batch_size", self.batch_size, 2)
        check_range("steps_per_epoch", self.steps_per_epoch, 1)
        check_range("steps", self.steps, self.steps_per_epoch)
        for name in ("generator_rate", "discriminator_rate"):
            check_range(name, getattr(self, name), 0.0, 1.0)

    @property
    def epochs(self) -> int:
        """Number of epochs; a last one that would be shorter is made whole."""
        return -(-self.steps // self.steps_per_epoch)


class DCGAN(keras.Model):
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
        super().__init__(name="dcgan")
        self.generator = generator
        self.discriminator = discriminator
        self.noise_seed = seed
        # Not "loss": Keras has a tracker of that name, and two of them show 0.
        self.trackers = [
            keras.metrics.Mean(name=name) for name in ("d_loss", "g_loss", "d_real", "d_fake")
        ]

    def call(self, noise, training=False):
        return self.generator(noise, training=training)

    def compile(
        self,
        generator_optimizer: keras.optimizers.Optimizer,
        discriminator_optimizer: keras.optimizers.Optimizer,
        **options,
    ) -> None:
        """Set the two optimizers; ``options`` are those of :meth:`keras.Model.compile`."""
        super().compile(**options)
        self.generator_optimizer = generator_optimizer
        self.discriminator_optimizer = discriminator_optimizer
        # Built now, so that a checkpoint can be restored before the first step.
        generator_optimizer.build(self.generator.trainable_variables)
        discriminator_optimizer.build(self.discriminator.trainable_variables)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return self.trackers

    @property
    def state(self) -> list[keras.Variable]:
        """Every variable that training changes, for :class:`serkit.training.resume.Resume`."""
        return [
            *self.generator.variables,
            *self.discriminator.variables,
            *self.generator_optimizer.variables,
            *self.discriminator_optimizer.variables,
        ]

    def train_step(self, data) -> dict[str, tf.Tensor]:
        real = data[0] if isinstance(data, tuple) else data
        noise = self._noise(tf.shape(real)[0])
        with tf.GradientTape() as generator_tape:
            fake = self.generator(noise, training=True)
            with tf.GradientTape() as discriminator_tape:
                real_logits = self.discriminator(real, training=True)
                fake_logits = self.discriminator(tf.stop_gradient(fake), training=True)
                d_loss = discriminator_loss(real_logits, fake_logits)
            self._apply(
                discriminator_tape, d_loss, self.discriminator, self.discriminator_optimizer
            )
            g_loss = generator_loss(self.discriminator(fake, training=True))
        self._apply(generator_tape, g_loss, self.generator, self.generator_optimizer)
        values = d_loss, g_loss, tf.sigmoid(real_logits), tf.sigmoid(fake_logits)
        for tracker, value in zip(self.trackers, values, strict=True):
            tracker.update_state(value)
        return {tracker.name: tracker.result() for tracker in self.trackers}

    def _noise(self, batch: tf.Tensor) -> tf.Tensor:
        # A function of the seed and the step alone: the optimizer's count survives a kill.
        step = tf.cast(self.generator_optimizer.iterations, tf.int32)
        seed = tf.stack([tf.constant(self.noise_seed, tf.int32), step])
        return tf.random.stateless_normal([batch, self.generator.input_shape[-1]], seed)

    @staticmethod
    def _apply(tape, loss, network, optimizer) -> None:
        variables = network.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))


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
