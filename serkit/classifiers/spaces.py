"""What a search may change about a classifier.

Each function takes KerasTuner's ``hp`` (``keras_tuner.HyperParameters``) and gives settings.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from serkit.classifiers.compact import CompactSettings
from serkit.classifiers.moped import BayesianSettings
from serkit.classifiers.settings import FitSettings
from serkit.errors import check_range

_CHANNELS = {
    "narrow": (16, 24, 48, 96),
    "usual": (24, 32, 64, 128),
    "wide": (32, 48, 96, 192),
}


@dataclass(frozen=True)
class CompactRecipe:
    """A compact network and its training.

    Attributes:
        network: its shape.
        fit: its training.
    """

    network: CompactSettings = field(default_factory=CompactSettings)
    fit: FitSettings = field(default_factory=lambda: FitSettings(label_smoothing=0.1, keep="last"))


@dataclass(frozen=True)
class BayesianRecipe:
    """A Bayesian network that goes on from a trained one, and its training.

    Attributes:
        delta: see :func:`serkit.classifiers.moped.from_deterministic`.
        kl: what the KL counts in the end, see :class:`serkit.layers.divergence.KLWarmup`; it takes
            half of the epochs.
        weights: priors and draws.
        fit: its training.

    Raises:
        InputError: for a value out of range.
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
    """A compact network of other channels and dropout, trained with other rates and targets.

    Batches of another size come in as many examples per epoch as ``base`` has.

    Args:
        hp: is asked for values.
        base: what is not asked for, such as epochs.
    """
    batch_size = hp.Choice("batch_size", [16, 32, 64])
    steps = base.fit.steps_per_epoch
    if steps is not None:
        steps = max(1, round(steps * base.fit.batch_size / batch_size))
    network = replace(
        base.network,
        channels=_CHANNELS[hp.Choice("channels", list(_CHANNELS), default="usual")],
        dropout=hp.Choice("dropout", [0.1, 0.3, 0.5], default=0.3),
    )
    fit = replace(
        base.fit,
        batch_size=batch_size,
        steps_per_epoch=steps,
        learning_rate=hp.Float("learning_rate", 5e-4, 8e-3, sampling="log"),
        weight_decay=hp.Float("weight_decay", 1e-3, 1e-1, sampling="log"),
        label_smoothing=hp.Choice("label_smoothing", [0.0, 0.1, 0.2]),
        mixup=hp.Choice("mixup", [0.0, 0.3]),
    )
    return CompactRecipe(network, fit)


def bayesian_space(hp: Any, base: BayesianRecipe) -> BayesianRecipe:
    """Other deviations at the start, priors, weights of the KL, and rates.

    Args:
        hp: is asked for values.
        base: what is not asked for, such as epochs.

    Source: Krishnan et al. (2020), arXiv:1906.05323, for ``delta``, of which they used 0.05 to 0.2.
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
