"""The report's DCGAN as a Keras model: ``compile``, ``fit`` and a ``train_step`` of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import keras
import tensorflow as tf

from serkit.errors import check_choice, check_range
from serkit.gans.adam import Adam
from serkit.gans.adversarial import GAN, descend, share_out, step_seeds
from serkit.gans.equilibrium import Equilibrium, EquilibriumStop
from serkit.gans.losses import discriminator_accuracy, discriminator_loss, generator_loss
from serkit.gans.networks import DISCRIMINATORS, generator
from serkit.gans.settings import GANSettings
from serkit.gans.staging import Staging, StagingSettings
from serkit.seeds import derive_seed
from serkit.training.precision import precision

STAGED = "staged"


@dataclass(frozen=True)
class DCGANSettings(GANSettings):
    """How a DCGAN is built and trained; :mod:`serkit.gans.recipes` has settings by name.

    Attributes:
        discriminator: ``discriminator1``, ``discriminator2``, or ``staged``: the first, then the
            second.
        staging: when the second takes over.
        stop: the balance at which training ends; None trains for all ``steps``.
        discriminator_steps: of the discriminator for each step of ``fit``, on other examples each.
        generator_steps: of the generator for each step of ``fit``.
        generator_rate: Adam's learning rate; the report gives 1.7e-4 to 2e-4.
        discriminator_rate: of the discriminator, or of the first of two; the report gives 2e-5 to
            5e-5.
        second_discriminator_rate: of the second of two.
        beta_1: Adam's; 0.5 as in the DCGAN paper.
        smoothing: what is taken from the label 1 of real examples in the discriminator's step
            (one-sided label smoothing), 0 to 0.5.

    The others are those of :class:`serkit.gans.settings.GANSettings`.

    Raises:
        InputError: for a value out of range.

    Source: report, section 6.1; label smoothing: Salimans et al. (2016), arXiv:1606.03498.
    """

    discriminator: str = "discriminator1"
    staging: StagingSettings = field(default_factory=StagingSettings)
    stop: Equilibrium | None = None
    discriminator_steps: int = 1
    generator_steps: int = 1
    generator_rate: float = 2e-4
    discriminator_rate: float = 5e-5
    second_discriminator_rate: float = 3e-5
    beta_1: float = 0.5
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("discriminator", self.discriminator, [*DISCRIMINATORS, STAGED])
        for name in ("discriminator_steps", "generator_steps"):
            check_range(name, getattr(self, name), 1)
        check_range("beta_1", self.beta_1, 0.0, 0.999)
        check_range("smoothing", self.smoothing, 0.0, 0.5)
        for name in ("generator_rate", "discriminator_rate", "second_discriminator_rate"):
            check_range(name, getattr(self, name), 0.0, 1.0)

    @property
    def examples_per_step(self) -> int:
        return self.discriminator_steps * self.batch_size


class DCGAN(GAN):
    """A generator and a discriminator trained against each other.

    Each step teaches the discriminator, then the generator on the same generated examples. Real
    and generated ones go through the discriminator as two batches. (The report's section 4.1.1
    puts them into one; batch normalisation then sees how they differ within that batch, which it
    cannot when the generator is taught: the discriminator's loss fell to 0 in a hundred steps and
    the generator learned nothing.)

    Reported are ``d_loss`` and ``g_loss``, without label smoothing; ``d_real`` and ``d_fake``, the
    mean probability of being real that the discriminator gives to real and to generated examples;
    and ``d_accuracy``, the fraction of both that it tells right; of the last of several steps.

    Args:
        generator: from ``(batch, latent)`` to ``(batch, frames, bins, 1)``.
        discriminators: from such a picture to a logit ``(batch, 1)``; one, or two that are staged.
        settings: how it is trained.
        seed: of the noise and the augmentation.

    Call arguments:
        noise: float32 ``(batch, latent)``; with classes, a list of it and int32 ``(batch,)``.

    Raises:
        InputError: by ``fit``, if the examples of a step cannot be shared out evenly.

    Source: report, section 6.1; Radford et al. (2016), arXiv:1511.06434.
    """

    settings: DCGANSettings

    def __init__(
        self,
        generator: keras.Model,
        discriminators: Sequence[keras.Model],
        settings: DCGANSettings,
        seed: int = 0,
    ) -> None:
        tracked = "d_loss", "g_loss", "d_real", "d_fake", "d_accuracy"
        super().__init__(generator, discriminators, settings, seed, tracked, "dcgan")

    def callbacks(self, history: Sequence[Mapping[str, float]]) -> list[keras.callbacks.Callback]:
        found = []
        if len(self.discriminators) > 1:
            found.append(Staging(self.settings.staging, history))
        if self.settings.stop:
            found.append(EquilibriumStop(self.settings.stop, history))
        return found

    def is_finished(self, history: Sequence[Mapping[str, float]]) -> bool:
        stop = self.settings.stop
        balanced = stop is not None and stop.reached(history, len(self.discriminators))
        return balanced or super().is_finished(history)

    def train_step(self, data) -> dict[str, tf.Tensor]:
        settings = self.settings
        parts = share_out(data, settings.discriminator_steps)
        seeds = step_seeds(self.step_seed(), len(parts) + settings.generator_steps - 1)
        for (real, labels), seed in zip(parts[:-1], seeds, strict=False):
            fake = self.generate(labels, tf.shape(real)[0], seed)
            self._teach_discriminator(real, fake, labels, seed)
        real, labels = parts[-1]
        for number, seed in enumerate(seeds[len(parts) - 1 :]):
            tape = tf.GradientTape()
            with tape:
                fake = self.generate(labels, tf.shape(real)[0], seed)
            if number == 0:
                # On the same generated examples: the generator runs once for both networks.
                logits = self._teach_discriminator(real, fake, labels, seed)
            with tape:
                shown = self.show(fake, tf.random.experimental.stateless_fold_in(seed, 2))
                g_loss = generator_loss(self.judge(shown, labels))
            descend(tape, g_loss, self.generator, self.generator_optimizer)
        probabilities = [tf.sigmoid(values) for values in logits]
        accuracy = discriminator_accuracy(*logits)
        return self.finish_step(discriminator_loss(*logits), g_loss, *probabilities, accuracy)

    def _teach_discriminator(
        self, real: tf.Tensor, fake: tf.Tensor, labels: tf.Tensor | None, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """One step of the discriminator; gives what it said of both before."""
        real_seed, fake_seed = step_seeds(seed, 2)
        with tf.GradientTape() as tape:
            shown = self.show(real, real_seed), self.show(tf.stop_gradient(fake), fake_seed)
            real_logits, fake_logits = self.judge_both(*shown, labels)
            loss = discriminator_loss(real_logits, fake_logits, self.settings.smoothing)
        descend(tape, loss, self.discriminator, self.discriminator_optimizer)
        return real_logits, fake_logits


def build_dcgan(settings: DCGANSettings, seed: int) -> DCGAN:
    """A compiled DCGAN with fresh weights; same settings and seed, same weights."""
    names = list(DISCRIMINATORS) if settings.discriminator == STAGED else [settings.discriminator]
    with precision(settings.precision):
        gan = DCGAN(
            generator(
                *(settings.width, settings.latent, derive_seed(seed, "generator")),
                settings.classes,
            ),
            [
                DISCRIMINATORS[name](
                    settings.opponent_width, derive_seed(seed, "discriminator"), settings.classes
                )
                for name in names
            ],
            settings,
            seed=derive_seed(seed, "noise"),
        )
    rates = settings.discriminator_rate, settings.second_discriminator_rate
    gan.compile(
        Adam(settings.generator_rate, settings.beta_1),
        [Adam(rate, settings.beta_1) for rate, _ in zip(rates, names, strict=False)],
    )
    return gan
