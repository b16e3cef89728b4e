"""Networks whose weights are distributions, made of those whose weights are numbers."""

from collections.abc import Collection
from dataclasses import dataclass

import keras
import numpy as np

from serkit.errors import InputError, check_choice, check_range
from serkit.layers import variational
from serkit.layers.posterior import VariationalLayer
from serkit.layers.priors import NormalPrior
from serkit.seeds import derive_seed

_WAYS = {
    "flipout": (variational.DenseFlipout, variational.Conv2DFlipout),
    "local": (variational.DenseLocalReparameterization, variational.Conv2DLocalReparameterization),
    "reparameterization": (
        variational.DenseReparameterization,
        variational.Conv2DReparameterization,
    ),
}
_UNITS = ("start", "layer")
# The smallest weights would otherwise start so narrow, and their priors with them, that one step
# of a training is thousands of nats away.
_LEAST = 0.1
# What a plain layer and a variational one have in common.
_VARIATIONAL = ("kernel_initializer", "bias_initializer", "use_bias", "activation", "name", "dtype")


@dataclass(frozen=True)
class BayesianSettings:
    """What is believed of weights at first, and how they are drawn in training.

    Attributes:
        prior: standard deviation of the prior, above 0, as a multiple of
        unit: ``start``, the deviation that each weight starts with, or ``layer``, the root mean
            square of a layer's weights. The latter is so wide for weights that were trained, each
            of which starts a few nats away from it, that a few hundred clips cannot make up for it.
        centred: whether the prior lies around the weights that the layer starts with, rather than
            around 0.
        dense: how dense layers are drawn, ``local`` (reparameterisation), ``flipout`` or
            ``reparameterization``; see :mod:`serkit.layers.estimators`.
        convolution: the same of convolutions.

    Raises:
        InputError: for a value out of range.
    """

    prior: float = 1.0
    unit: str = "start"
    centred: bool = True
    dense: str = "local"
    convolution: str = "flipout"

    def __post_init__(self) -> None:
        check_range("prior", self.prior, 1e-6, 1e6)
        check_choice("unit", self.unit, _UNITS)
        check_choice("dense", self.dense, _WAYS)
        check_choice("convolution", self.convolution, _WAYS)


# Weights that are not trained yet say nothing about where they will lie.
_NEW = BayesianSettings(unit="layer", centred=False)


def linear_layers(model: keras.Model) -> list[str]:
    """Names of the dense layers and convolutions of a model, in the order of computation."""
    kinds = (keras.layers.Dense, keras.layers.Conv2D)
    return [layer.name for layer in model.layers if type(layer) in kinds]


def from_deterministic(
    model: keras.Model,
    delta: float | None = 0.1,
    *,
    layers: Collection[str] | None = None,
    settings: BayesianSettings | None = None,
    seed: int = 0,
) -> keras.Model:
    """A Bayesian network that starts from the weights of a trained one.

    The given model stays as it is, and shares no variable with the new one.

    Args:
        model: a functional model of plain dense layers and convolutions, among others.
        delta: each weight starts with so much of its own size as standard deviation (MOPED), above
            0, and of a tenth of its layer's root mean square at least; None for 1e-3 all over, for
            weights that are not trained yet.
        layers: names of the dense layers and convolutions that become Bayesian, see
            :func:`linear_layers`; default: all.
        settings: of priors and draws; default: for trained weights :class:`BayesianSettings`, for
            new ones a prior around 0, as wide as a layer's weights are large.
        seed: of the weights that are drawn.

    Returns:
        A model of the same inputs, outputs and layer names. Its losses hold the KL of each layer;
        see :class:`serkit.layers.divergence.KLWarmup` for what that should count.

    Raises:
        InputError: if a name is not that of a dense layer or convolution, or a convolution has
            groups or is dilated, or ``delta`` is out of range.

    Source: Krishnan et al. (2020), MOPED, arXiv:1906.05323.
    """
    if settings is None:
        settings = _NEW if delta is None else BayesianSettings()
    if delta is not None:
        check_range("delta", delta, 1e-6, 10.0)
    known = linear_layers(model)
    chosen = set(known if layers is None else layers)
    if missing := sorted(chosen - set(known)):
        raise InputError(
            f"layers {', '.join(missing)} of {model.name} are no dense layers or convolutions; "
            f"valid are {', '.join(known)}"
        )

    def bayesian(layer):
        if layer.name in chosen:
            # Not the name, which Keras makes of what the process made before.
            return _variational(
                layer, settings, derive_seed(seed, "bayesian", known.index(layer.name))
            )
        return type(layer).from_config(layer.get_config())

    made = keras.models.clone_model(model, clone_function=bayesian)
    for layer in model.layers:
        _take_over(made.get_layer(layer.name), layer, delta)
    return made


def _variational(layer, settings: BayesianSettings, seed: int) -> VariationalLayer:
    config = layer.get_config()
    common = {name: config[name] for name in _VARIATIONAL}
    common["trainable"] = layer.trainable
    relative = settings.unit == "start"
    size = 1.0 if relative else _size(layer.kernel)
    common["kernel_prior"] = NormalPrior(settings.prior * size, settings.centred, relative)
    common["seed"] = seed
    if isinstance(layer, keras.layers.Dense):
        return _WAYS[settings.dense][0](config["units"], **common)
    if config["groups"] != 1 or tuple(config["dilation_rate"]) != (1, 1):
        raise InputError(f"{layer.name} has groups or is dilated; valid are plain convolutions")
    names = ("filters", "kernel_size", "strides", "padding")
    return _WAYS[settings.convolution][1](*(config[name] for name in names), **common)


def _take_over(made, layer, delta: float | None) -> None:
    if not isinstance(made, VariationalLayer):
        made.set_weights(layer.get_weights())
        return
    loc = np.asarray(layer.kernel)
    scale = made.posterior_scale
    if delta is not None:
        scale = delta * np.maximum(np.abs(loc), _LEAST * _size(loc))
    made.set_posterior(loc, scale)
    if made.use_bias:
        made.bias.assign(layer.bias)


def _size(kernel) -> float:
    """Root mean square of weights; 1 if they are all 0."""
    return float(np.sqrt(np.mean(np.square(kernel)))) or 1.0
