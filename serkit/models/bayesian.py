"""Convert networks to Bayesian ones: variational by MOPED, or with Monte Carlo dropout.

Train the plain network first, and convert it with :func:`from_deterministic`. Converted without
training, as by :func:`bayesian_lenet5`, a Bayesian network learns much less.
"""

from collections.abc import Collection
from dataclasses import dataclass

import keras
import numpy as np

from serkit.errors import InputError, check_choice, check_range
from serkit.layers import Conv2DVariational, DenseVariational, MCDropout, NormalPrior
from serkit.layers.posterior import VariationalLayer
from serkit.models.lenet import LeNet5Settings, lenet5
from serkit.seeds import derive_seed

# Estimators by their names in the settings; the values are the layers' names of them.
_ESTIMATORS = {
    "flipout": "flipout",
    "local": "local_reparameterization",
    "reparameterization": "reparameterization",
}
_UNITS = ("start", "layer")
# MOPED's scale of a weight is proportional to the weight's absolute value, but to no less than this
# fraction of the layer's root mean square. Without this floor the posteriors and priors of the
# smallest weights would be so narrow that one training step moves the weights thousands of nats
# away.
_SCALE_FLOOR = 0.1
# Arguments that plain and variational layers have in common.
_COMMON_ARGUMENTS = (
    "kernel_initializer",
    "bias_initializer",
    "use_bias",
    "activation",
    "name",
    "dtype",
)


@dataclass(frozen=True)
class BayesianSettings:
    """Priors of the weights, and how training draws the weights.

    Attributes:
        prior: standard deviation of the prior, above 0, as a multiple of ``unit``.
        unit: ``start``, the initial standard deviation of each weight's posterior, or ``layer``,
            the root mean square of the layer's weights. For trained weights the prior of ``layer``
            is very wide: each weight starts a few nats away from it, and a few hundred clips cannot
            make up for that.
        centred: whether the prior's mean is the initial weights of the layer; otherwise it is 0.
        dense: estimator of dense layers, ``local`` (local reparameterisation), ``flipout`` or
            ``reparameterization``; see :mod:`serkit.layers.posterior`.
        convolution: estimator of convolutions, one of the same three.

    Raises:
        InputError: if a value is out of range.
    """

    prior: float = 1.0
    unit: str = "start"
    centred: bool = True
    dense: str = "local"
    convolution: str = "flipout"

    def __post_init__(self) -> None:
        check_range("prior", self.prior, 1e-6, 1e6)
        check_choice("unit", self.unit, _UNITS)
        check_choice("dense", self.dense, _ESTIMATORS)
        check_choice("convolution", self.convolution, _ESTIMATORS)


# For untrained weights, which say nothing about the values after training: the prior's mean is 0.
_UNTRAINED_SETTINGS = BayesianSettings(unit="layer", centred=False)


def linear_layers(model: keras.Model) -> list[str]:
    """Return the names of a model's dense layers and convolutions, in computation order."""
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
    """Convert a trained network to a Bayesian one that starts from its weights.

    The given model stays unchanged. The new model has variables of its own.

    Args:
        model: a functional model; its plain dense layers and convolutions can be converted.
        delta: initial standard deviation of each weight as a multiple of the weight's absolute
            value (MOPED), above 0. Absolute values below a tenth of the layer's root mean square
            are replaced by that tenth. None sets all standard deviations to 1e-3, for untrained
            weights.
        layers: names of the dense layers and convolutions to convert, see :func:`linear_layers`;
            default: all.
        settings: priors and estimators. Default with ``delta``: :class:`BayesianSettings`. Default
            without: priors with mean 0 and a layer's root mean square as standard deviation.
        seed: seed of the Monte Carlo samples of the weights.

    Returns:
        A model with the same inputs, outputs and layer names. Its losses contain the KL divergence
        of each Bayesian layer; see :class:`serkit.layers.variational.KLWarmup` for the weight of
        the KL divergence in the loss.

    Raises:
        InputError: if a name is not that of a dense layer or convolution, a convolution to convert
            has groups or is dilated, or ``delta`` is out of range.

    Example:
        >>> import serkit
        >>> model = serkit.lenet5(4, (32, 32, 1))  # to be trained before the conversion
        >>> bayesian = serkit.from_deterministic(model, layers=["fc2", "logits"])
        >>> [type(layer).__name__ for layer in bayesian.layers[-3:]]
        ['Dense', 'DenseVariational', 'DenseVariational']

    Source: Krishnan et al. (2020), MOPED, arXiv:1906.05323.
    """
    if settings is None:
        settings = _UNTRAINED_SETTINGS if delta is None else BayesianSettings()
    if delta is not None:
        check_range("delta", delta, 1e-6, 10.0)
    convertible = linear_layers(model)
    to_convert = set(convertible if layers is None else layers)
    if unknown := sorted(to_convert - set(convertible)):
        raise InputError(
            f"`layers` must be dense layers or convolutions of {model.name}: "
            f"{', '.join(convertible)}. Received: {', '.join(unknown)}."
        )

    def convert(layer):
        if layer.name not in to_convert:
            return type(layer).from_config(layer.get_config())
        # Derive the seed from the layer's position, not its name: Keras numbers names by the
        # layers that the process created before.
        layer_seed = derive_seed(seed, "bayesian", convertible.index(layer.name))
        return _new_variational_layer(layer, settings, layer_seed)

    converted = keras.models.clone_model(model, clone_function=convert)
    for layer in model.layers:
        # A layer without weights may have another name in the copy: Keras renames unnamed inputs.
        if layer.weights:
            _copy_weights(layer, converted.get_layer(layer.name), delta)
    return converted


def _new_variational_layer(layer, settings: BayesianSettings, seed: int) -> VariationalLayer:
    """Return a variational layer with the configuration of a plain layer, not its weights."""
    config = layer.get_config()
    is_relative = settings.unit == "start"
    unit = 1.0 if is_relative else _root_mean_square(layer.kernel)
    arguments = {name: config[name] for name in _COMMON_ARGUMENTS}
    arguments["trainable"] = layer.trainable
    arguments["prior"] = NormalPrior(settings.prior * unit, settings.centred, is_relative)
    arguments["seed"] = seed
    if isinstance(layer, keras.layers.Dense):
        arguments["estimator"] = _ESTIMATORS[settings.dense]
        return DenseVariational(config["units"], **arguments)
    if config["groups"] != 1 or tuple(config["dilation_rate"]) != (1, 1):
        raise InputError(
            "`layers` must be convolutions without groups and dilation. Received: "
            f"{layer.name} with groups={config['groups']}, dilation_rate={config['dilation_rate']}."
        )
    for name in ("filters", "kernel_size", "strides", "padding"):
        arguments[name] = config[name]
    arguments["estimator"] = _ESTIMATORS[settings.convolution]
    return Conv2DVariational(**arguments)


def _copy_weights(source, target, delta: float | None) -> None:
    """Copy a plain layer's weights to a plain or variational layer."""
    if not isinstance(target, VariationalLayer):
        target.set_weights(source.get_weights())
        return
    loc = np.asarray(source.kernel)
    scale = target.posterior_scale
    if delta is not None:
        scale = delta * np.maximum(np.abs(loc), _SCALE_FLOOR * _root_mean_square(loc))
    target.set_posterior(loc, scale)
    if target.use_bias:
        target.bias.assign(source.bias)


def _root_mean_square(kernel) -> float:
    """Return the root mean square of weights; 1 if all are 0."""
    return float(np.sqrt(np.mean(np.square(kernel)))) or 1.0


def with_monte_carlo_dropout(model: keras.Model, rate: float | None = None) -> keras.Model:
    """Return a copy of a trained network whose dropout stays active in prediction.

    Args:
        model: a functional model with ``Dropout`` or ``SpatialDropout2D`` layers.
        rate: dropout rate, 0 to 0.95; default: each layer's own.

    Raises:
        InputError: if the model has no dropout layer, or ``rate`` is out of range.

    Source: Gal & Ghahramani (2016), arXiv:1506.02142.
    """
    if rate is not None:
        check_range("rate", rate, 0.0, 0.95)
    spatial = keras.layers.SpatialDropout2D
    if not any(isinstance(layer, keras.layers.Dropout) for layer in model.layers):
        raise InputError(f"`model` must have dropout layers. Received: {model.name} without any.")

    def convert(layer):
        if not isinstance(layer, keras.layers.Dropout):
            return type(layer).from_config(layer.get_config())
        return MCDropout(
            layer.rate if rate is None else rate,
            noise_shape=(None, 1, 1, None) if isinstance(layer, spatial) else layer.noise_shape,
            seed=layer.seed,
            name=layer.name,
            dtype=layer.dtype_policy,
        )

    converted = keras.models.clone_model(model, clone_function=convert)
    converted.set_weights(model.get_weights())
    return converted


# Dense layers and convolutions in the last block and the head of compact: three convolutions of the
# block, two layers of its squeeze-and-excitation, two layers of the attention, and the logits.
_COMPACT_LAST_LAYERS = 8
_VGG16_EARLIER_BLOCKS = ("block1", "block2", "block3", "block4")


def bayesian_lenet5(
    classes: int,
    shape: tuple[int, int, int],
    network: LeNet5Settings | None = None,
    settings: BayesianSettings | None = None,
    seed: int = 0,
) -> keras.Model:
    """Build LeNet-5 with all layers Bayesian, from new weights.

    Arguments, result and errors are those of :func:`serkit.models.lenet.lenet5` and
    :func:`from_deterministic`. The latter converts a trained LeNet-5 to the same network.

    Source: 2021 report, section 8.2.1.
    """
    model = lenet5(classes, shape, network, seed)
    return from_deterministic(model, delta=None, settings=settings, seed=seed)


def last_block(model: keras.Model) -> list[str]:
    """Return the names of the dense layers and convolutions in the last block and the head.

    Args:
        model: model that :func:`serkit.models.compact.compact` built, or a VGG16 of
            :mod:`serkit.models.transfer`.

    Raises:
        InputError: for any other model.
    """
    if model.name == "compact":
        return linear_layers(model)[-_COMPACT_LAST_LAYERS:]
    if model.name.startswith("vgg16"):
        return [name for name in linear_layers(model) if not name.startswith(_VGG16_EARLIER_BLOCKS)]
    raise InputError(
        f"`model` must be compact or a VGG16; of others, name the layers. Received: {model.name}."
    )
