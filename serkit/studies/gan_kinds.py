"""The kinds of GAN that arms use, and their sizes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from serkit.augmentation.arms import CONDITIONAL_GAN, DCGAN, WGAN_GP
from serkit.errors import InputError, check_choice, check_range
from serkit.gans import dcgan
from serkit.gans.base import GAN, GANSettings
from serkit.gans.dcgan import DCGAN_RECIPES, REPORT, SMALL_DATA
from serkit.gans.small_data import DiffAugmentSettings
from serkit.gans.wgan_gp import WGANGP, WGANGPSettings
from serkit.training.precision import fastest_precision

ALL, NORMS = "all", "norms"
TUNED = (ALL, NORMS)


@dataclass(frozen=True)
class GanSizes:
    """Width of the GANs and number of their training steps.

    Attributes:
        width: factor on the channel counts of the 2021 report.
        pretraining: generator steps on all training clips, before the GAN is trained on a rare
            class; 0 trains each GAN from random weights.
        steps: generator steps on the clips of a rare class. A conditional GAN gets this number of
            steps for each rare class.
        tuned: weights of a pretrained generator that are trained on a rare class: ``all``, or
            ``norms`` for the batch normalisation only, see
            :func:`serkit.gans.small_data.tune_norms_alone`. ``norms`` needs pretraining.

    Raises:
        InputError: if a value is out of range, or ``tuned`` is ``norms`` without pretraining.
    """

    width: float = 0.25
    pretraining: int = 800
    steps: int = 400
    tuned: str = ALL

    def __post_init__(self) -> None:
        check_choice("tuned", self.tuned, TUNED)
        if self.tuned == NORMS and not self.pretraining:
            raise InputError("`pretraining` must be 1 or more if `tuned` is norms. Received: 0.")
        check_range("width", self.width, 0.01, 4.0)
        check_range("pretraining", self.pretraining, 0)
        check_range("steps", self.steps, 1)

    def shortened(self) -> "GanSizes":
        """Return the smallest width and numbers of steps that show whether the GANs run."""
        return replace(self, width=0.0625, pretraining=min(self.pretraining, 2), steps=2)


@dataclass(frozen=True)
class GanKind:
    """Training recipe for one kind of GAN.

    Attributes:
        build: function from settings and seed to a compiled GAN.
        pretraining_settings: settings for pretraining on all training clips. Width and number of
            steps are not used, see :meth:`settings`.
        rare_settings: settings for training on clips of rare classes. Width and number of steps are
            not used.
        conditional: whether one conditional GAN is trained on all rare classes, instead of one GAN
            per rare class.
        steps_factor: the numbers of steps of :class:`GanSizes` are multiplied by this factor. It is
            above 1 for a kind that sees fewer clips per step than others.
        pretrained: whether training on rare classes starts from a GAN that was trained on all
            training clips. Without effect if :attr:`GanSizes.pretraining` is 0.
        limits_batch_size: whether the batch size is at most the number of clips.
    """

    build: Callable[[Any, int], GAN]
    pretraining_settings: GANSettings
    rare_settings: GANSettings
    conditional: bool = False
    steps_factor: float = 1.0
    pretrained: bool = True
    limits_batch_size: bool = False

    def tuned(self, settings: GANSettings) -> "GanKind":
        """Return this kind with settings from a hyperparameter search.

        ``steps_factor`` changes so that the GAN sees as many examples as with its own settings.

        Args:
            settings: settings for rare classes. They are also used for pretraining, except that the
                augmentation of pretraining stays as it is.
        """
        examples_per_step = self.rare_settings.examples_per_step
        return replace(
            self,
            pretraining_settings=replace(settings, augment=self.pretraining_settings.augment),
            rare_settings=settings,
            steps_factor=self.steps_factor * examples_per_step / settings.examples_per_step,
        )

    def settings(self, sizes: GanSizes, rare_count: int, class_count: int) -> GANSettings:
        """Return the settings of one GAN.

        Args:
            sizes: width and numbers of steps.
            rare_count: number of rare classes that the GAN is trained on; 0 for a GAN that is
                pretrained on all training clips.
            class_count: number of classes of the fold.
        """
        base = self.rare_settings if rare_count else self.pretraining_settings
        # Only a conditional GAN is trained on several rare classes.
        steps = rare_count * sizes.steps if rare_count else sizes.pretraining
        steps = max(1, round(self.steps_factor * steps)) if steps else 0
        return replace(
            base,
            width=sizes.width,
            steps=steps,
            steps_per_epoch=min(base.steps_per_epoch, steps),
            classes=class_count if self.conditional else 0,
        )


# docs/gans.md gives the results with each of these settings.
_DCGAN = DCGAN_RECIPES[SMALL_DATA]
_WGAN_GP = WGANGPSettings(
    batch_size=8,
    critic_steps=1,
    generator_rate=3e-4,
    critic_rate=1e-3,
    beta_2=0.99,
    ema=0.99,
    precision=fastest_precision(),
)
# No masks, because the generator of a WGAN-GP would learn to generate masked spectrograms.
_SHIFTS_ONLY = DiffAugmentSettings(time_mask=0.0, frequency_mask=0.0)
KINDS = {
    DCGAN: GanKind(dcgan.DCGAN, _DCGAN, _DCGAN),
    WGAN_GP: GanKind(WGANGP, _WGAN_GP, replace(_WGAN_GP, augment=_SHIFTS_ONLY), steps_factor=1.5),
    CONDITIONAL_GAN: GanKind(dcgan.DCGAN, _DCGAN, _DCGAN, conditional=True),
}
"""Kinds of GAN, by the names that arms use in ``fill``."""

_REPORT = DCGAN_RECIPES[REPORT]
REPORT_DCGAN = GanKind(dcgan.DCGAN, _REPORT, _REPORT, pretrained=False, limits_batch_size=True)
"""DCGAN of the recipe ``report``, the settings of the 2021 report."""
