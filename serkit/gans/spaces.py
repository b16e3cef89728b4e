"""What a search may change about a GAN.

Each function takes KerasTuner's ``hp`` (``keras_tuner.HyperParameters``) and gives settings.
"""

from dataclasses import replace
from typing import Any

from serkit.gans.dcgan import DCGANSettings
from serkit.gans.diff_augment import DiffAugmentSettings
from serkit.gans.wgan_gp import WGANGPSettings

_AUGMENTS = {
    "none": None,
    "moved": DiffAugmentSettings(time_mask=0.0, frequency_mask=0.0),
    "masked": DiffAugmentSettings(),
}


def wgan_gp_space(hp: Any, base: WGANGPSettings) -> WGANGPSettings:
    """A WGAN-GP with other rates, momenta, penalty, batches, augmentation and averaging.

    Args:
        hp: is asked for values.
        base: what is not asked for, such as width and steps.

    Source: what section 8.1 of the report's appendix left open; the ranges hold the settings of
    Gulrajani et al. (2017), arXiv:1704.00028, and of Zhao et al. (2020), arXiv:2006.10738.
    """
    return replace(
        base,
        generator_rate=hp.Float("generator_rate", 5e-5, 1e-3, sampling="log"),
        critic_rate=hp.Float("critic_rate", 1e-4, 2e-3, sampling="log"),
        critic_steps=hp.Choice("critic_steps", [1, 2, 5]),
        penalty=hp.Float("penalty", 1.0, 30.0, sampling="log"),
        beta_1=hp.Choice("beta_1", [0.0, 0.5]),
        beta_2=hp.Choice("beta_2", [0.9, 0.99, 0.999]),
        batch_size=hp.Choice("batch_size", [8, 16]),
        augment=_AUGMENTS[hp.Choice("augment", list(_AUGMENTS))],
        ema=hp.Choice("ema", [0.9, 0.97, 0.99]),
    )


def dcgan_space(hp: Any, base: DCGANSettings) -> DCGANSettings:
    """A DCGAN with other rates, momentum, batches, steps, smoothing, augmentation and averaging.

    Args:
        hp: is asked for values.
        base: what is not asked for, such as width and steps.

    The recipe ``report`` is not among them: its batches of 128 and its change of discriminator are
    trained by ``--gan-recipe report``, see :mod:`serkit.gans.recipes`.

    Source: the ranges hold the learning rates of the 2021 report (section 6.1), and the settings of
    Radford et al. (2016), arXiv:1511.06434.
    """
    return replace(
        base,
        generator_rate=hp.Float("generator_rate", 5e-5, 1e-3, sampling="log"),
        discriminator_rate=hp.Float("discriminator_rate", 2e-5, 1e-3, sampling="log"),
        generator_steps=hp.Choice("generator_steps", [1, 2]),
        beta_1=hp.Choice("beta_1", [0.0, 0.5]),
        batch_size=hp.Choice("batch_size", [8, 16, 32]),
        smoothing=hp.Choice("smoothing", [0.0, 0.1]),
        augment=_AUGMENTS[hp.Choice("augment", list(_AUGMENTS))],
        ema=hp.Choice("ema", [0.9, 0.97, 0.99]),
    )
