"""Search spaces of networks and GANs, and settings that a search found.

Each search space is a function. It takes KerasTuner's ``hp`` (``keras_tuner.HyperParameters``),
which chooses values, and returns settings with these values.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from serkit.errors import InputError, check_choice, check_range
from serkit.files import read_json_object
from serkit.gans.dcgan import DCGANSettings
from serkit.gans.small_data import DiffAugmentSettings
from serkit.gans.wgan_gp import WGANGPSettings
from serkit.models.bayesian import BayesianSettings
from serkit.models.compact import CompactSettings
from serkit.models.fitting import FitSettings
from serkit.models.linear_head import METHODS, LinearHeadSettings
from serkit.serialization import restored

_CHANNELS = {"narrow": (16, 24, 48, 96), "usual": (24, 32, 64, 128), "wide": (32, 48, 96, 192)}


@dataclass(frozen=True)
class CompactRecipe:
    """Settings of a compact network and of its training run.

    Attributes:
        network: settings of the network.
        fit: settings of the training run.
    """

    network: CompactSettings = field(default_factory=CompactSettings)
    fit: FitSettings = field(default_factory=lambda: FitSettings(label_smoothing=0.1, keep="last"))


@dataclass(frozen=True)
class BayesianRecipe:
    """Settings of a Bayesian network that starts from a trained one, and of its training run.

    Attributes:
        delta: see :func:`serkit.models.bayesian.from_deterministic`.
        kl: factor on the weight of the KL divergence. The weight rises to its final value in the
            first half of the epochs, see :class:`serkit.layers.variational.KLWarmup`.
        weights: priors and estimators of the weights.
        fit: settings of the training run.

    Raises:
        InputError: if a value is out of range.
    """

    delta: float = 0.5
    kl: float = 1.0
    weights: BayesianSettings = field(default_factory=BayesianSettings)
    fit: FitSettings = field(
        default_factory=lambda: FitSettings(epochs=10, learning_rate=3e-4, keep="last")
    )

    def __post_init__(self) -> None:
        check_range("delta", self.delta, 1e-6, 10.0)
        check_range("kl", self.kl, 0.0, 10.0)


def compact_space(hp: Any, base: CompactRecipe) -> CompactRecipe:
    """Choose channels, dropout, batch size, learning rate, weight decay, label smoothing and mixup.

    The number of steps per epoch depends on the batch size, so that an epoch has as many examples
    as with ``base``.

    Args:
        hp: KerasTuner's ``hp``, which gives the values.
        base: all other settings, such as epochs.
    """
    batch_size = hp.Choice("batch_size", [16, 32, 64])
    steps_per_epoch = base.fit.steps_per_epoch
    if steps_per_epoch is not None:
        steps_per_epoch = max(1, round(steps_per_epoch * base.fit.batch_size / batch_size))
    network = replace(
        base.network,
        channels=_CHANNELS[hp.Choice("channels", list(_CHANNELS), default="usual")],
        dropout=hp.Choice("dropout", [0.1, 0.3, 0.5], default=0.3),
    )
    fit = replace(
        base.fit,
        batch_size=batch_size,
        steps_per_epoch=steps_per_epoch,
        learning_rate=hp.Float("learning_rate", 5e-4, 8e-3, sampling="log"),
        weight_decay=hp.Float("weight_decay", 1e-3, 1e-1, sampling="log"),
        label_smoothing=hp.Choice("label_smoothing", [0.0, 0.1, 0.2]),
        mixup=hp.Choice("mixup", [0.0, 0.3]),
    )
    return CompactRecipe(network, fit)


def head_space(hp: Any, base: LinearHeadSettings) -> LinearHeadSettings:
    """Choose method, number of components, penalty and class weights of a linear classifier.

    Args:
        hp: KerasTuner's ``hp``, which gives the values.
        base: all other settings; there are none today.
    """
    return replace(
        base,
        method=hp.Choice("method", list(METHODS), default=base.method),
        components=hp.Int("components", 16, 512, sampling="log", default=base.components),
        penalty=hp.Float("penalty", 1.0, 1e4, sampling="log", default=base.penalty),
        class_weights=hp.Choice("class_weights", ["balanced", "none"]),
    )


def bayesian_space(hp: Any, base: BayesianRecipe) -> BayesianRecipe:
    """Choose a Bayesian network's initial standard deviation, prior, KL weight and learning rate.

    Args:
        hp: KerasTuner's ``hp``, which gives the values.
        base: all other settings, such as epochs.

    Source: Krishnan et al. (2020), arXiv:1906.05323, who used ``delta`` from 0.05 to 0.2.
    """
    return replace(
        base,
        delta=hp.Float("delta", 0.05, 1.0, sampling="log"),
        kl=hp.Choice("kl", [0.1, 0.3, 1.0]),
        weights=replace(
            base.weights,
            prior=hp.Float("prior", 0.3, 3.0, sampling="log"),
            centred=hp.Boolean("centred", default=True),
        ),
        fit=replace(base.fit, learning_rate=hp.Float("learning_rate", 1e-4, 1e-3, sampling="log")),
    )


_AUGMENTS = {
    "none": None,
    "moved": DiffAugmentSettings(time_mask=0.0, frequency_mask=0.0),
    "masked": DiffAugmentSettings(),
}


def wgan_gp_space(hp: Any, base: WGANGPSettings) -> WGANGPSettings:
    """Choose a WGAN-GP's rates, betas, critic steps, penalty, batch size, augmentation and EMA.

    Args:
        hp: KerasTuner's ``hp``, which gives the values.
        base: all other settings, such as width and steps.

    Source: section 8.1 of the 2021 report's appendix left these settings open. The ranges include
    the settings of Gulrajani et al. (2017), arXiv:1704.00028, and of Zhao et al. (2020),
    arXiv:2006.10738.
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
    """Choose a DCGAN's rates, beta, steps, batch size, smoothing, augmentation and EMA.

    The space does not include the 2021 report's recipe, which has batches of 128 and changes the
    discriminator during training. Use ``--gan-recipe report`` for it, see
    :mod:`serkit.gans.dcgan`.

    Args:
        hp: KerasTuner's ``hp``, which gives the values.
        base: all other settings, such as width and steps.

    Source: the ranges include the learning rates of the 2021 report (section 6.1), and the settings
    of Radford et al. (2016), arXiv:1511.06434.
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


SETTINGS: dict[str, type] = {
    "classifier": CompactRecipe,
    "head": LinearHeadSettings,
    "bayesian": BayesianRecipe,
    "dcgan": DCGANSettings,
    "wgan-gp": WGANGPSettings,
}
"""Class of the settings, by kind of search."""


def read_tuned(path: Path | str) -> tuple[str, Any]:
    """Read kind and settings from a ``best.json``.

    Args:
        path: the file, or the folder of a search.

    Returns:
        ``(kind, settings)``: a key of :data:`SETTINGS`, and an instance of its class.

    Raises:
        InputError: if the file is missing or holds no tuned settings.
    """
    path = Path(path)
    file = path / "best.json" if path.is_dir() else path
    try:
        content = read_json_object(file, kind=str, settings=dict)
        kind, values = content["kind"], content["settings"]
    except (OSError, ValueError) as error:
        raise InputError(
            f"`path` must be best.json of serkit tune. Received: {file} ({error!r})."
        ) from error
    check_choice("kind", kind, SETTINGS)
    return kind, restored(SETTINGS[kind], values)


def tuned_or_default(path: Path | None, default: Any) -> Any:
    """Read settings from a ``best.json``; without a path return default settings.

    Args:
        path: the file, or the folder of a search; None returns ``default``.
        default: default settings. The settings in the file must be of the same class.

    Raises:
        InputError: if the file is missing, or holds settings of another kind.
    """
    if path is None:
        return default
    kind, settings = read_tuned(path)
    if type(settings) is not type(default):
        kind_by_class = {settings_class: name for name, settings_class in SETTINGS.items()}
        raise InputError(
            f"`path` must have settings for {kind_by_class[type(default)]}. Received: {path}, "
            f"which was tuned for {kind}."
        )
    return settings
