"""The Wasserstein GAN of the 2021 report, with a gradient penalty."""

from dataclasses import dataclass

import keras
import tensorflow as tf

from serkit.errors import check_range
from serkit.gans.base import GAN, GANSettings
from serkit.gans.losses import gradient_penalty, wasserstein_critic_loss, wasserstein_generator_loss
from serkit.gans.networks import critic
from serkit.gans.steps import Batch, apply_gradients, split_batch, step_seeds
from serkit.seeds import derive_seed


@dataclass(frozen=True)
class WGANGPSettings(GANSettings):
    """Settings of a WGAN-GP and of its training run; the defaults are those of the paper.

    Attributes:
        batch_size: as for :class:`serkit.gans.base.GANSettings`; each critic step gets other
            examples.
        critic_steps: critic steps before each generator step.
        penalty: weight of the gradient penalty.
        generator_rate: Adam's learning rate for the generator.
        critic_rate: Adam's learning rate for the critic.
        beta_1: Adam's beta_1; momentum makes the training of a critic unstable.
        beta_2: Adam's beta_2.

    The other attributes are those of :class:`serkit.gans.base.GANSettings`.

    Raises:
        InputError: if a value is out of range.

    Example:
        >>> import serkit
        >>> settings = serkit.WGANGPSettings(width=0.5, steps=1000, critic_steps=3)
        >>> settings.examples_per_step  # 3 batches of 64
        192

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


@keras.saving.register_keras_serializable("serkit")
class WGANGP(GAN):
    """A generator and a critic, with a penalty that keeps the norm of the critic's gradient near 1.

    Each step of ``fit`` takes the batches of all critic steps at once, and has one generator step
    at the end. ``train_step`` reports ``c_loss``, which the critic minimises; ``g_loss``;
    ``distance``, the estimated distance between generated and real examples, which falls as the
    generated examples improve; and ``penalty``, not multiplied by its weight. The values of the
    critic are those of its last step.

    Args:
        settings: settings of the GAN and its training run.
        seed: seed of the new weights; and, during training, of the noise, of the augmentation, and
            of the points of the gradient penalty.
        generator: model from ``(batch, latent)`` to ``(batch, frames, bins, 1)`` in [-1, 1]; None
            builds the generator of the 2021 report.
        discriminators: the critic, as a list of one model from such a spectrogram to a score
            ``(batch, 1)``, without batch normalisation. None builds the critic of the 2021 report.
        name: name of the model.

    Call arguments:
        noise: float32 ``(batch, latent)``; for a conditional GAN, a list of this noise and int32
            class numbers ``(batch,)``.

    Raises:
        InputError: by ``fit``, if the number of examples of a step is not a multiple of
            ``critic_steps``.

    Example:
        >>> import numpy as np
        >>> import serkit
        >>> settings = serkit.WGANGPSettings(width=0.02, batch_size=2, critic_steps=1)
        >>> gan = serkit.WGANGP(settings, seed=0)
        >>> gan.compile(run_eagerly=True)  # faster for a single step
        >>> history = gan.fit(np.zeros((2, 224, 224, 1), "float32"), batch_size=2, verbose=0)
        >>> sorted(history.history)
        ['c_loss', 'distance', 'g_loss', 'penalty']

    Source: 2021 report, section 8.1; Gulrajani et al. (2017), arXiv:1704.00028.
    """

    kind = "wgan_gp"
    settings_type = WGANGPSettings
    tracked = "c_loss", "g_loss", "distance", "penalty"
    settings: WGANGPSettings

    def new_discriminators(self) -> list[keras.Model]:
        settings = self.settings
        seed = derive_seed(self.seed, "critic")
        return [critic(settings.opponent_width, seed, settings.classes)]

    def new_optimizers(self) -> tuple[keras.Optimizer, list[keras.Optimizer]]:
        settings, adam = self.settings, keras.optimizers.Adam
        generator_optimizer = adam(settings.generator_rate, settings.beta_1, settings.beta_2)
        critic_optimizer = adam(settings.critic_rate, settings.beta_1, settings.beta_2)
        return generator_optimizer, [critic_optimizer]

    @property
    def critic(self) -> keras.Model:
        """The critic."""
        return self.discriminator

    def train_step(self, data: Batch) -> dict[str, tf.Tensor]:
        batches = split_batch(data, self.settings.critic_steps)
        seeds = step_seeds(self.step_seed(), len(batches) + 1)
        for (real, labels), seed in zip(batches, seeds[:-1], strict=True):
            c_loss, distance, penalty = self._train_critic(real, labels, seed)
        # The generator step uses the labels and the size of the last batch.
        with tf.GradientTape() as tape:
            fake = self.generate(labels, tf.shape(real)[0], seeds[-1])
            augmented = self.augment(fake, step_seeds(seeds[-1], 1)[0])
            g_loss = wasserstein_generator_loss(self.discriminate(augmented, labels))
        apply_gradients(tape, g_loss, self.generator, self.generator_optimizer)
        return self.finish_step(c_loss, g_loss, distance, penalty)

    def _train_critic(
        self, real: tf.Tensor, labels: tf.Tensor | None, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Apply one critic step; return its loss, the estimated distance and the penalty."""
        batch_size = tf.shape(real)[0]
        weight_seed, real_seed, fake_seed = step_seeds(seed, 3)
        fake = self.generate(labels, batch_size, seed)
        real, fake = self.augment(real, real_seed), self.augment(fake, fake_seed)
        labels_of_both = None if labels is None else tf.concat([labels, labels], axis=0)
        weights = tf.random.stateless_uniform(tf.stack([batch_size]), weight_seed)
        with tf.GradientTape() as tape:
            # One pass for both batches: a critic's score depends on its own example only.
            scores = self.discriminate(tf.concat([real, fake], axis=0), labels_of_both)
            wasserstein_loss = wasserstein_critic_loss(scores[:batch_size], scores[batch_size:])
            penalty = gradient_penalty(
                lambda interpolated: self.discriminate(interpolated, labels), real, fake, weights
            )
            loss = wasserstein_loss + self.settings.penalty * penalty
        apply_gradients(tape, loss, self.critic, self.discriminator_optimizer)
        return loss, -wasserstein_loss, penalty
