"""Bayesian LeNet-5, VGG-16 and compact, the report's two and serkit's own.

All begin with new weights, or with those of ImageNet; what makes them work is to train the plain
network first and go on from there, see :func:`serkit.classifiers.moped.from_deterministic`.
"""

from pathlib import Path

import keras

from serkit.classifiers.compact import CompactSettings, compact
from serkit.classifiers.lenet import LeNet5Settings, lenet5
from serkit.classifiers.moped import BayesianSettings, from_deterministic, linear_layers
from serkit.classifiers.transfer import TransferSettings, vgg16_half_freeze
from serkit.errors import InputError

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

    Arguments, result and errors as for :func:`serkit.classifiers.lenet.lenet5` and
    :func:`from_deterministic`, which makes the same of a trained one.

    Source: report, section 8.2.1.
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

    Arguments, result and errors as for :func:`serkit.classifiers.compact.compact` and
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

    Arguments, result and errors as for :func:`serkit.classifiers.transfer.vgg16_half_freeze` and
    :func:`bayesian_compact`. What is frozen stays so: of Bayesian layers, too, whose draws then
    deviate by 1e-3 for ever; with ``throughout`` it should be nothing.

    Source: report, section 8.2.1.
    """
    return _made(vgg16_half_freeze(classes, weights, network, seed), throughout, settings, seed)


def _made(model: keras.Model, throughout: bool, settings: BayesianSettings | None, seed: int):
    layers = None if throughout else last_block(model)
    return from_deterministic(model, None, layers=layers, settings=settings, seed=seed)


def last_block(model: keras.Model) -> list[str]:
    """Names of the dense layers and convolutions of a network's last block and its head.

    Args:
        model: of :func:`serkit.classifiers.compact.compact`, or one of the VGG16 in
            :mod:`serkit.classifiers.transfer`.

    Raises:
        InputError: for any other.
    """
    if model.name == "compact":
        # The block's three convolutions and its squeeze-and-excitation, attention, logits.
        return linear_layers(model)[-_OF_COMPACT:]
    if model.name.startswith("vgg16"):
        return [name for name in linear_layers(model) if not name.startswith(_VGG16_BEFORE)]
    raise InputError(f"{model.name} has no block that is known to be its last; name its layers")
