"""How a DCGAN is trained, by name: as the 2021 report did, or as small data needs it."""

from dataclasses import replace

from serkit.errors import check_choice
from serkit.gans.dcgan import STAGED, DCGANSettings
from serkit.gans.diff_augment import DiffAugmentSettings
from serkit.gans.equilibrium import Equilibrium

REPORT, SMALL_DATA = "report", "small-data"

DCGAN_RECIPES = {
    SMALL_DATA: DCGANSettings(
        batch_size=16, discriminator_rate=2e-4, augment=DiffAugmentSettings(), ema=0.99
    ),
    REPORT: DCGANSettings(discriminator=STAGED, stop=Equilibrium()),
}
"""Settings of DCGANs by the recipe's name; width and number of steps are left to be chosen.

``small-data``: Discriminator1 alone, batches of 16, a discriminator that learns as fast as the
generator, differentiable augmentation, and a moving average of the generator's weights. It is
meant to go on from a GAN of all training clips.

``report``: the 2021 report's own. Both discriminators, one after the other; batches of 128; Adam
with 2e-4 for the generator, 5e-5 for the first discriminator and 3e-5 for the second; binary cross
entropy; no augmentation, no averaging, no pretraining; training ends when both losses stay between
1.1 and 1.3. What that report leaves open, and what is chosen here
(``experiments/report_choices.py`` trains both values of the first three):

* Adam's beta_1: "standard" would be 0.9; 0.5, as in the DCGAN paper, which it follows elsewhere.
* Initial weights: the DCGAN paper's normal distribution of deviation 0.02. PyTorch's own are
  uniform; the listings set none.
* Real and generated examples in one batch (its section 4.1.1) or in two: two, since batch
  normalisation tells them apart within one, see :class:`serkit.gans.dcgan.DCGAN`.
* The batch where a class has fewer than 128 clips: all of them, see :func:`dcgan_recipe`.
* "Some significant decrease in the generator's loss": see
  :class:`serkit.gans.staging.StagingSettings`.
* How many steps: ``steps``, unless the losses come to rest before.

Source: 2021 report, sections 4.1 and 6.1; Radford et al. (2016), arXiv:1511.06434.
"""


def dcgan_recipe(name: str, clips: int, **changes) -> DCGANSettings:
    """Settings of a DCGAN that is trained on so many clips.

    Args:
        name: ``report`` or ``small-data``.
        clips: number of training clips; a batch of ``report`` has all of them if they are fewer
            than 128. A batch of ``small-data`` then has some of them twice.
        changes: of other settings, such as ``width`` and ``steps``.

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
    """The same with batches of no more than ``clips`` examples, and at least 2."""
    return replace(settings, batch_size=max(2, min(settings.batch_size, clips)))
