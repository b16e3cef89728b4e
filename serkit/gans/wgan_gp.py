"""The report's Wasserstein GAN, which its authors could not balance, with a gradient penalty."""

from dataclasses import dataclass

import keras
import tensorflow as tf

from serkit.errors import InputError, check_range
from serkit.gans.adversarial import GAN, GANSettings, descend
from serkit.gans.losses import (
    gradient_penalty,
    wasserstein_critic_loss,
    wasserstein_generator_loss,
)
from serkit.gans.networks import critic, generator
from serkit.seeds import derive_seed


@dataclass(frozen=True)
class WGANGPSettings(GANSettings):
    """How a WGAN-GP is built and trained; the defaults are its authors'.

    Attributes:
        batch_size: as for :class:`serkit.gans.adversarial.GANSettings`; each of the critic's steps
            gets other examples.
        critic_steps: steps of the critic before each step of the generator.
        penalty: weight of the gradient penalty.
        generator_rate: Adam's learning rate.
        critic_rate: Adam's learning rate.
        beta_1: Adam's; momentum unsettles a critic.
        beta_2: Adam's.

    Raises:
        InputError: for a value out of range.

    Source: Gulrajani et al. (2017), arXiv:1704.00028, algorithm 1.
    """

    batch_size: int = 64
    critic_steps: int = 5
    penalty: float = 10.0
    generator_rate: float = 1e-4
    critic_rate: float = 1e-4
    beta_1: float = 0.0
    beta_2: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("critic_steps", self.critic_steps, 1)
        check_range("penalty", self.penalty, 0.0)
        for name in ("generator_rate", "critic_rate"):
            check_range(name, getattr(self, name), 0.0, 1.0)
        for name in ("beta_1", "beta_2"):
            check_range(name, getattr(self, name), 0.0, 0.9999)

    @property
    def examples_per_step(self) -> int:
        return self.critic_steps * self.batch_size


class WGANGP(GAN):
    """A generator, and a critic whose slope a penalty holds near 1.

    Each step of ``fit`` takes a batch for every step of the critic, in one; then the generator is
    taught once. Reported are ``c_loss``, what the critic minimises, ``g_loss``, ``distance``, the
    estimate of how far generated examples are from real ones (it falls as they get better), and
    ``penalty``, without its weight; of the last critic step.

    Args:
        generator: from ``(batch, latent)`` to ``(batch, frames, bins, 1)``.
        critic: from such a picture to a score ``(batch, 1)``; without batch normalisation.
        seed: of the noise and of where the slope is taken.
        critic_steps: see :class:`WGANGPSettings`.
        penalty: see :class:`WGANGPSettings`.

    Call arguments:
        noise: float32 ``(batch, latent)``.

    Raises:
        InputError: by ``fit``, if the examples of a step cannot be shared out evenly.

    Source: report, section 8.1; Gulrajani et al. (2017), arXiv:1704.00028.
    """

    def __init__(
        self,
        generator: keras.Model,
        critic: keras.Model,
        seed: int = 0,
        critic_steps: int = 5,
        penalty: float = 10.0,
    ) -> None:
        tracked = "c_loss", "g_loss", "distance", "penalty"
        super().__init__(generator, critic, seed, tracked, "wgan_gp")
        self.critic_steps = critic_steps
        self.penalty = penalty

    @property
    def critic(self) -> keras.Model:
        """The network that the generator is trained against."""
        return self.discriminator

    def train_step(self, data) -> dict[str, tf.Tensor]:
        real = data[0] if isinstance(data, tuple) else data
        if real.shape[0] is not None and real.shape[0] % self.critic_steps:
            raise InputError(
                f"a step got {real.shape[0]} examples; valid is a multiple of "
                f"critic_steps={self.critic_steps}"
            )
        step_seed = self.step_seed()
        seeds = [
            tf.random.experimental.stateless_fold_in(step_seed, number)
            for number in range(self.critic_steps + 1)
        ]
        batches = tf.split(real, self.critic_steps)
        for batch, seed in zip(batches, seeds[:-1], strict=True):
            c_loss, distance, penalty = self._teach_critic(batch, seed)
        noise = self.noise(tf.shape(batches[0])[0], seeds[-1])
        with tf.GradientTape() as tape:
            fake = self.generator(noise, training=True)
            g_loss = wasserstein_generator_loss(self.critic(fake, training=True))
        descend(tape, g_loss, self.generator, self.generator_optimizer)
        return self.report(c_loss, g_loss, distance, penalty)

    def _teach_critic(self, real: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, ...]:
        batch = tf.shape(real)[0]
        fake = self.generator(self.noise(batch, seed), training=True)
        shares = tf.random.stateless_uniform(
            [batch], tf.random.experimental.stateless_fold_in(seed, 1)
        )
        with tf.GradientTape() as tape:
            # Scored together: the critic looks at each example by itself.
            scores = self.critic(tf.concat([real, fake], axis=0), training=True)
            difference = wasserstein_critic_loss(scores[:batch], scores[batch:])
            penalty = gradient_penalty(
                lambda between: self.critic(between, training=True), real, fake, shares
            )
            loss = difference + self.penalty * penalty
        descend(tape, loss, self.critic, self.discriminator_optimizer)
        return loss, -difference, penalty


def build_wgan_gp(settings: WGANGPSettings, seed: int) -> WGANGP:
    """A compiled WGAN-GP with fresh weights; same settings and seed, same weights."""
    gan = WGANGP(
        generator(settings.width, settings.latent, derive_seed(seed, "generator")),
        critic(settings.width, derive_seed(seed, "critic")),
        seed=derive_seed(seed, "noise"),
        critic_steps=settings.critic_steps,
        penalty=settings.penalty,
    )
    adam = keras.optimizers.Adam
    betas = settings.beta_1, settings.beta_2
    gan.compile(
        generator_optimizer=adam(settings.generator_rate, *betas),
        discriminator_optimizer=adam(settings.critic_rate, *betas),
    )
    return gan
