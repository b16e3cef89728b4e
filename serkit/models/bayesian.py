"""Bayesian versions of networks: variational by MOPED, or with Monte Carlo dropout.

All begin with new weights, or with those of ImageNet; what makes them work is to train the plain
network first and go on from there, see :func:`from_deterministic`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from serkit.errors import InputError, check_choice, check_range
from serkit.layers import variational
from serkit.layers.dropout import MonteCarloDropout
from serkit.layers.posterior import VariationalLayer
from serkit.layers.priors import NormalPrior
from serkit.models.compact import CompactSettings, compact
from serkit.models.lenet import LeNet5Settings, lenet5
from serkit.models.transfer import TransferSettings, vgg16_half_freeze
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
            ``reparameterization``; see :mod:`serkit.layers.posterior`.
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
        see :class:`serkit.layers.variational.KLWarmup` for what that should count.

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


def with_monte_carlo_dropout(model: keras.Model, rate: float | None = None) -> keras.Model:
    """A copy of a trained network whose dropout goes on in prediction.

    Args:
        model: functional, with dropout or spatial dropout.
        rate: 0 to 0.95; default: as in training.

    Raises:
        InputError: if there is no dropout in it, or ``rate`` is out of range.

    Source: Gal & Ghahramani (2016), arXiv:1506.02142.
    """
    if rate is not None:
        check_range("rate", rate, 0.0, 0.95)
    spatial = keras.layers.SpatialDropout2D
    if not any(isinstance(layer, keras.layers.Dropout) for layer in model.layers):
        raise InputError(f"{model.name} has no dropout that could go on in prediction")

    def dropping(layer):
        if not isinstance(layer, keras.layers.Dropout):
            return type(layer).from_config(layer.get_config())
        return MonteCarloDropout(
            layer.rate if rate is None else rate,
            noise_shape=(None, 1, 1, None) if isinstance(layer, spatial) else layer.noise_shape,
            seed=layer.seed,
            name=layer.name,
            dtype=layer.dtype_policy,
        )

    made = keras.models.clone_model(model, clone_function=dropping)
    made.set_weights(model.get_weights())
    return made


# A block's three convolutions, its squeeze-and-excitation's two layers, attention's two, logits.
_OF_COMPACT = 8
_VGG16_BEFORE = ("block1", "block2", "block3", "block4")


def bayesian_lenet5(
    classes: int,
    shape: tuple[int, int, int],
    network: LeNet5Settings | None = None,
    settings: BayesianSettings | None = None,
    seed: int = 0,
) -> keras.Model:
    """LeNet-5, all layers Bayesian, from new weights.

    Arguments, result and errors as for :func:`serkit.models.lenet.lenet5` and
    :func:`from_deterministic`, which makes the same of a trained one.

    Source: 2021 report, section 8.2.1.
    """
    return _made(lenet5(classes, shape, network, seed), True, settings, seed)


def bayesian_compact(
    classes: int,
    shape: tuple[int, int, int],
    network: CompactSettings | None = None,
    settings: BayesianSettings | None = None,
    seed: int = 0,
    *,
    throughout: bool = False,
) -> keras.Model:
    """The compact network, its last block and its head Bayesian, or all layers, from new weights.

    Arguments, result and errors as for :func:`serkit.models.compact.compact` and
    :func:`from_deterministic`, which makes the same of a trained one.

    Args:
        classes: number of classes.
        shape: of the spectrograms.
        network: its shape.
        settings: of priors and draws.
        seed: of weights, dropout and draws.
        throughout: whether all layers are Bayesian.
    """
    return _made(compact(classes, shape, network, seed), throughout, settings, seed)


def bayesian_vgg16(
    classes: int,
    weights: str | Path,
    network: TransferSettings | None = None,
    settings: BayesianSettings | None = None,
    seed: int = 0,
    *,
    throughout: bool = False,
) -> keras.Model:
    """VGG16, its last block and its head Bayesian, or all layers.

    Arguments, result and errors as for :func:`serkit.models.transfer.vgg16_half_freeze` and
    :func:`bayesian_compact`. What is frozen stays so: of Bayesian layers, too, whose draws then
    deviate by 1e-3 for ever; with ``throughout`` it should be nothing.

    Source: 2021 report, section 8.2.1.
    """
    return _made(vgg16_half_freeze(classes, weights, network, seed), throughout, settings, seed)


def _made(model: keras.Model, throughout: bool, settings: BayesianSettings | None, seed: int):
    layers = None if throughout else last_block(model)
    return from_deterministic(model, None, layers=layers, settings=settings, seed=seed)


def last_block(model: keras.Model) -> list[str]:
    """Names of the dense layers and convolutions of a network's last block and its head.

    Args:
        model: of :func:`serkit.models.compact.compact`, or one of the VGG16 in
            :mod:`serkit.models.transfer`.

    Raises:
        InputError: for any other.
    """
    if model.name == "compact":
        # The block's three convolutions and its squeeze-and-excitation, attention, logits.
        return linear_layers(model)[-_OF_COMPACT:]
    if model.name.startswith("vgg16"):
        return [name for name in linear_layers(model) if not name.startswith(_VGG16_BEFORE)]
    raise InputError(f"{model.name} has no block that is known to be its last; name its layers")
