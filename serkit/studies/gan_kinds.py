"""The kinds of GAN that arms use, and their sizes."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from serkit.augmentation.arms import CONDITIONAL, DCGAN, WGAN_GP
from serkit.errors import InputError, check_choice, check_range
from serkit.gans.base import GAN, GANSettings
from serkit.gans.dcgan import DCGAN_RECIPES, REPORT, SMALL_DATA, build_dcgan
from serkit.gans.small_data import DiffAugmentSettings
from serkit.gans.wgan_gp import WGANGPSettings, build_wgan_gp
from serkit.training.precision import fastest_precision

ALL, NORMS = "all", "norms"
TUNED = (ALL, NORMS)


@dataclass(frozen=True)
class GanSizes:
    """How large GANs are and how long they are trained.

    Attributes:
        width: factor on the report's channel counts.
        pretraining: steps of the generator on all training clips, before it goes on with a rare
            class; 0 begins each from nothing.
        steps: on the clips of a rare class; a conditional GAN gets as many for each of them.
        tuned: what of a generator goes on being trained with a rare class: ``all``, or ``norms``,
            see :func:`serkit.gans.small_data.tune_norms_alone`, which needs pretraining.

    Raises:
        InputError: for a value out of range.
    """

    width: float = 0.25
    pretraining: int = 800
    steps: int = 400
    tuned: str = ALL

    def __post_init__(self) -> None:
        check_choice("tuned", self.tuned, TUNED)
        if self.tuned == NORMS and not self.pretraining:
            raise InputError("tuned='norms' without pretraining; valid is more than 0 steps of it")
        check_range("width", self.width, 0.01, 4.0)
        check_range("pretraining", self.pretraining, 0)
        check_range("steps", self.steps, 1)

    def shortened(self) -> "GanSizes":
        """Enough to see that it runs, no more."""
        return replace(self, width=0.0625, pretraining=min(self.pretraining, 2), steps=2)


@dataclass(frozen=True)
class GanKind:
    """How a kind of GAN is trained.

    Attributes:
        build: from settings and seed to a compiled GAN.
        of_all: settings on all training clips, but for width and steps.
        of_rare: the same on rare classes' clips.
        conditional: one GAN of all classes.
        longer: factor on the numbers of steps, for kinds whose steps see fewer clips.
        pretrained: it begins with a GAN of all training clips, if there is to be one.
        whole_class: no batch is larger than the number of clips.
    """

    build: Callable[[GANSettings, int], GAN]
    of_all: GANSettings
    of_rare: GANSettings
    conditional: bool = False
    longer: float = 1.0
    pretrained: bool = True
    whole_class: bool = False

    def tuned(self, settings: GANSettings) -> "GanKind":
        """The same kind with settings that a search found for it, on as many examples.

        Args:
            settings: as for rare classes; on all clips all but the augmentation is the same.
        """
        longer = self.longer * self.of_rare.examples_per_step / settings.examples_per_step
        of_all = replace(settings, augment=self.of_all.augment)
        return replace(self, of_all=of_all, of_rare=settings, longer=longer)

    def settings(self, sizes: GanSizes, rare: int, classes: int) -> GANSettings:
        """Settings of one GAN.

        Args:
            sizes: width and steps.
            rare: how many rare classes' clips it is trained on; 0 for all clips.
            classes: how many classes there are.
        """
        base = self.of_rare if rare else self.of_all
        # Only a conditional GAN is trained on several rare classes.
        steps = rare * sizes.steps if rare else sizes.pretraining
        steps = max(1, round(self.longer * steps)) if steps else 0
        return replace(
            base,
            width=sizes.width,
            steps=steps,
            steps_per_epoch=min(base.steps_per_epoch, steps),
            classes=classes if self.conditional else 0,
        )


# docs/gans.md has what each of these settings gives.
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
# Masks leak into what a critic's generator makes.
_MOVED = DiffAugmentSettings(time_mask=0.0, frequency_mask=0.0)
KINDS = {
    DCGAN: GanKind(build_dcgan, _DCGAN, _DCGAN),
    WGAN_GP: GanKind(build_wgan_gp, _WGAN_GP, replace(_WGAN_GP, augment=_MOVED), longer=1.5),
    CONDITIONAL: GanKind(build_dcgan, _DCGAN, _DCGAN, conditional=True),
}
"""By the names that arms use."""

_REPORT = DCGAN_RECIPES[REPORT]
REPORT_DCGAN = GanKind(build_dcgan, _REPORT, _REPORT, pretrained=False, whole_class=True)
"""The DCGAN of the recipe ``report``."""
