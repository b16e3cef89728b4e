"""The DCGAN of the 2021 report as a Keras model, and its training recipes by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import tensorflow as tf

from serkit.errors import check_choice, check_range
from serkit.gans.base import GAN, GANSettings
from serkit.gans.losses import discriminator_accuracy, discriminator_loss, generator_loss
from serkit.gans.networks import DISCRIMINATORS
from serkit.gans.small_data import DiffAugmentSettings
from serkit.gans.staging import Equilibrium, Stages, StagingSettings
from serkit.gans.steps import Batch, apply_gradients, split_batch, step_seeds
from serkit.seeds import derive_seed

STAGED = "staged"


@dataclass(frozen=True)
class DCGANSettings(GANSettings):
    """Settings of a DCGAN and of its training run; :data:`DCGAN_RECIPES` has settings by name.

    Attributes:
        discriminator: ``discriminator1``, ``discriminator2``, or ``staged``: first
            ``discriminator1``, then ``discriminator2``.
        staging: condition for the change to the second discriminator.
        stop: equilibrium at which the training run ends; None trains for all ``steps``.
        discriminator_steps: discriminator steps per step of ``fit``, each on other examples.
        generator_steps: generator steps per step of ``fit``.
        generator_rate: Adam's learning rate for the generator; the 2021 report states 1.7e-4 to
            2e-4.
        discriminator_rate: Adam's learning rate for the only or the first discriminator; the 2021
            report states 2e-5 to 5e-5.
        second_discriminator_rate: Adam's learning rate for the second of two discriminators.
        beta_1: Adam's beta_1; 0.5 as in the DCGAN paper.
        smoothing: amount subtracted from the label 1 of real examples in the discriminator's step
            (one-sided label smoothing), 0 to 0.5.

    The other attributes are those of :class:`serkit.gans.base.GANSettings`.

    Raises:
        InputError: if a value is out of range.

    Example:
        >>> import serkit
        >>> settings = serkit.DCGANSettings(width=0.5, steps=1000, steps_per_epoch=50)
        >>> settings.epochs, settings.discriminator
        (20, 'discriminator1')

    Source: 2021 report, section 6.1; label smoothing: Salimans et al. (2016), arXiv:1606.03498.
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


@keras.saving.register_keras_serializable("serkit")
class DCGAN(GAN):
    """A generator and a discriminator trained against each other.

    Each step of ``fit`` trains the discriminator. It then trains the generator on the same
    generated examples. Real and generated examples pass through the discriminator as two batches.
    The 2021 report's section 4.1.1 puts both into one batch. In such a batch, batch normalisation
    reveals which examples are real. In the generator's step it does not, because the batch has no
    real examples. As a result, the discriminator's loss fell to 0 within a hundred steps and the
    generator learned nothing.

    ``train_step`` reports ``d_loss`` and ``g_loss``, without label smoothing; ``d_real`` and
    ``d_fake``, the discriminator's mean probability of "real" for real and for generated examples;
    and ``d_accuracy``, the fraction of real and generated examples that the discriminator
    classifies correctly. If a step of ``fit`` has several steps of a network, these values are
    those of the last one.

    Args:
        settings: settings of the GAN and its training run.
        seed: seed of the new weights, and of the noise and the augmentation during training.
        generator: model from ``(batch, latent)`` to ``(batch, frames, bins, 1)`` in [-1, 1]; None
            builds the generator of the 2021 report.
        discriminators: models from such a spectrogram to a logit ``(batch, 1)``; one model, or two
            that are used one after the other. None builds those of ``settings.discriminator``.
        name: name of the model.

    Call arguments:
        noise: float32 ``(batch, latent)``; for a conditional GAN, a list of this noise and int32
            class numbers ``(batch,)``.

    Raises:
        InputError: by ``fit``, if the number of examples of a step is not a multiple of
            ``discriminator_steps``.

    Example:
        >>> import numpy as np
        >>> import serkit
        >>> settings = serkit.DCGANSettings(width=0.02, batch_size=2, steps=1, steps_per_epoch=1)
        >>> gan = serkit.DCGAN(settings, seed=0)
        >>> gan.compile(run_eagerly=True)  # faster for a single step
        >>> history = gan.fit(np.zeros((2, 224, 224, 1), "float32"), batch_size=2, verbose=0)
        >>> sorted(history.history)
        ['d_accuracy', 'd_fake', 'd_loss', 'd_real', 'g_loss']
        >>> gan(np.zeros((3, 5), "float32")).shape
        TensorShape([3, 224, 224, 1])

    Source: 2021 report, section 6.1; Radford et al. (2016), arXiv:1511.06434.
    """

    kind = "dcgan"
    settings_type = DCGANSettings
    tracked = "d_loss", "g_loss", "d_real", "d_fake", "d_accuracy"
    settings: DCGANSettings

    def new_discriminators(self) -> list[keras.Model]:
        settings = self.settings
        is_staged = settings.discriminator == STAGED
        names = list(DISCRIMINATORS) if is_staged else [settings.discriminator]
        seed = derive_seed(self.seed, "discriminator")
        return [
            DISCRIMINATORS[name](settings.opponent_width, seed, settings.classes) for name in names
        ]

    def new_optimizers(self) -> tuple[keras.Optimizer, list[keras.Optimizer]]:
        settings, adam = self.settings, keras.optimizers.Adam
        generator_optimizer = adam(settings.generator_rate, settings.beta_1)
        rates = [settings.discriminator_rate, settings.second_discriminator_rate]
        discriminator_optimizers = [
            adam(rate, settings.beta_1) for rate in rates[: len(self.discriminators)]
        ]
        return generator_optimizer, discriminator_optimizers

    def callbacks(self, history: Sequence[Mapping[str, float]]) -> list[keras.callbacks.Callback]:
        staging = self.settings.staging if len(self.discriminators) > 1 else None
        if staging is None and self.settings.stop is None:
            return []
        return [Stages(staging, self.settings.stop, history)]

    def is_finished(self, history: Sequence[Mapping[str, float]]) -> bool:
        stop = self.settings.stop
        is_balanced = stop is not None and stop.reached(history, len(self.discriminators))
        return is_balanced or super().is_finished(history)

    def train_step(self, data: Batch) -> dict[str, tf.Tensor]:
        settings = self.settings
        batches = split_batch(data, settings.discriminator_steps)
        # The last discriminator step and the first generator step share a seed.
        seeds = step_seeds(self.step_seed(), len(batches) + settings.generator_steps - 1)
        for (real, labels), seed in zip(batches[:-1], seeds, strict=False):
            fake = self.generate(labels, tf.shape(real)[0], seed)
            self._train_discriminator(real, fake, labels, seed)
        real, labels = batches[-1]
        for generator_step, seed in enumerate(seeds[len(batches) - 1 :]):
            tape = tf.GradientTape()
            with tape:
                fake = self.generate(labels, tf.shape(real)[0], seed)
            if generator_step == 0:
                # Both networks use the same generated examples, so the generator runs only once.
                logits = self._train_discriminator(real, fake, labels, seed)
            with tape:
                augmented = self.augment(fake, step_seeds(seed, 3)[2])
                g_loss = generator_loss(self.discriminate(augmented, labels))
            apply_gradients(tape, g_loss, self.generator, self.generator_optimizer)
        real_logits, fake_logits = logits
        return self.finish_step(
            discriminator_loss(real_logits, fake_logits),
            g_loss,
            tf.sigmoid(real_logits),
            tf.sigmoid(fake_logits),
            discriminator_accuracy(real_logits, fake_logits),
        )

    def _train_discriminator(
        self, real: tf.Tensor, fake: tf.Tensor, labels: tf.Tensor | None, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Apply one discriminator step; return the logits of both batches from before the step."""
        real_seed, fake_seed = step_seeds(seed, 2)
        with tf.GradientTape() as tape:
            real = self.augment(real, real_seed)
            fake = self.augment(tf.stop_gradient(fake), fake_seed)
            real_logits, fake_logits = self.discriminate_both(real, fake, labels)
            loss = discriminator_loss(real_logits, fake_logits, smoothing=self.settings.smoothing)
        apply_gradients(tape, loss, self.discriminator, self.discriminator_optimizer)
        return real_logits, fake_logits


REPORT, SMALL_DATA = "report", "small-data"

DCGAN_RECIPES = {
    SMALL_DATA: DCGANSettings(
        batch_size=16, discriminator_rate=2e-4, augment=DiffAugmentSettings(), ema=0.99
    ),
    REPORT: DCGANSettings(discriminator=STAGED, stop=Equilibrium()),
}
"""Settings of DCGANs by recipe name; the user chooses the width and the number of steps.

``small-data``: ``discriminator1`` only, batches of 16, the same learning rate for both networks,
differentiable augmentation, and a moving average of the generator's weights. This recipe is meant
to start from a GAN that was trained on all training clips.

``report``: the settings of the 2021 report. Both discriminators, one after the other; batches of
128; Adam with 2e-4 for the generator, 5e-5 for the first discriminator and 3e-5 for the second;
binary cross entropy; no augmentation, no averaging, no pretraining. The training run ends when both
losses stay between 1.1 and 1.3. The 2021 report leaves the following open. The choices here are
(``experiments/report_choices.py`` trains both values of the first three):

* Adam's beta_1: "standard" would be 0.9. Here it is 0.5, as in the DCGAN paper, which the 2021
  report follows elsewhere.
* Initial weights: a normal distribution with standard deviation 0.02, as in the DCGAN paper.
  PyTorch's own initial weights are uniform; the listings set none.
* Real and generated examples in one batch (section 4.1.1 of the 2021 report) or in two: two, since
  batch normalisation reveals their difference within one batch, see :class:`DCGAN`.
* The batch of a class with fewer than 128 clips: all clips of the class, see :func:`dcgan_recipe`.
* "Some significant decrease in the generator's loss": see
  :class:`serkit.gans.staging.StagingSettings`.
* Number of steps: ``steps``, unless the losses reach the equilibrium earlier.

Source: 2021 report, sections 4.1 and 6.1; Radford et al. (2016), arXiv:1511.06434.
"""


def dcgan_recipe(name: str, clips: int, **changes: Any) -> DCGANSettings:
    """Return the settings of a recipe for a DCGAN that is trained on ``clips`` clips.

    Args:
        name: ``report`` or ``small-data``.
        clips: number of training clips. With fewer than 128 clips, a batch of ``report`` has all
            clips. A batch of ``small-data`` repeats clips if there are fewer clips than
            ``batch_size``.
        changes: settings to change, by name, such as ``width`` and ``steps``.

    Returns:
        The recipe's settings with these changes.

    Raises:
        InputError: if there is no such recipe, or a changed value is out of range.

    Example:
        >>> dcgan_recipe("report", clips=56, width=0.25).batch_size
        56
    """
    check_choice("recipe", name, DCGAN_RECIPES)
    settings = replace(DCGAN_RECIPES[name], **changes)
    return limit_batch(settings, clips) if name == REPORT else settings


def limit_batch(settings: DCGANSettings, clips: int) -> DCGANSettings:
    """Return the settings with a batch size of at most ``clips``, but at least 2."""
    return replace(settings, batch_size=max(2, min(settings.batch_size, clips)))
