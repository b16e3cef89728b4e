"""The networks of the ImageNet challenge that the report builds on, and where weights come from."""

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras

from serkit.errors import InputError, SerkitError
from serkit.seeds import derive_seed

_SHAPE = (224, 224, 3)


@dataclass(frozen=True)
class Base:
    """One of the networks in ``keras.applications``.

    Attributes:
        name: as people write it.
        build: its function there.
        file: name of its ImageNet weights without the top, as Keras downloads and keeps them.
    """

    name: str
    build: Callable[..., keras.Model]
    file: str


VGG16 = Base("VGG16", keras.applications.VGG16, "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5")
RESNET50 = Base(
    "ResNet50", keras.applications.ResNet50, "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"
)


def load_base(base: Base, weights: str | Path, seed: int) -> keras.Model:
    """A network without its top, for pictures ``(batch, 224, 224, 3)``.

    Args:
        base: which one.
        weights: ``imagenet`` (Keras downloads them once), ``none``, or the path of a file: weights
            of the network without its top (``.h5`` as Keras 2 and ``keras.applications`` write
            them, ``.weights.h5``), or a whole model with these layers in it (``.keras``), such as
            one that serkit trained.
        seed: of the kernels for ``none``, drawn as in He et al. (2015), arXiv:1502.01852.

    Raises:
        InputError: if the file is missing or of another network.
        SerkitError: if the ImageNet weights cannot be downloaded; says where to put the file.
    """
    if str(weights) == "imagenet":
        return _imagenet(base)
    model = base.build(weights=None, include_top=False, input_shape=_SHAPE)
    if str(weights) == "none":
        _draw(model, derive_seed(seed, base.name))
    else:
        _load(base, model, Path(weights))
    return model


def warn_if_random(base: Base, weights: str | Path, frozen: str) -> None:
    """Say loudly that a frozen part is random, if it is; ``frozen`` is what it is made of."""
    if str(weights) == "none":
        warnings.warn(
            f"weights='none': {frozen} of {base.name} are random and stay so, since they are "
            "frozen; use imagenet or a weights file for a result that means anything",
            stacklevel=3,
        )


def _draw(model: keras.Model, seed: int) -> None:
    """Kernels from a seed of our own: those of ``keras.applications`` come from a global one."""
    for number, variable in enumerate(model.trainable_variables):
        if len(variable.shape) == 4:
            # Keras' own, Glorot's, lose half of the variance at each ReLU.
            initializer = keras.initializers.HeNormal(derive_seed(seed, number))
            variable.assign(initializer(variable.shape))


def _imagenet(base: Base) -> keras.Model:
    try:
        return base.build(weights="imagenet", include_top=False, input_shape=_SHAPE)
    # Keras wraps whatever its download raised into a plain Exception.
    except Exception as error:
        home = os.environ.get("KERAS_HOME", Path.home() / ".keras")
        raise SerkitError(
            f"{base.name}'s ImageNet weights could not be downloaded ({error}). Get {base.file} "
            f"from the releases of keras-applications and put it at {Path(home, 'models')}"
            f"{os.sep}{base.file}, or pass weights=PATH, or weights='none' to train without them"
        ) from error


def _load(base: Base, model: keras.Model, path: Path) -> None:
    if not path.is_file():
        raise InputError(f"weights={str(path)!r} is no file; valid are imagenet, none and a path")
    try:
        if path.suffix == ".keras":
            _copy(keras.models.load_model(path, compile=False), model)
            return
        with warnings.catch_warnings():
            # Keras only warns where a file lacks a layer, and leaves its weights random.
            warnings.filterwarnings("error", message="Skipping nested container")
            model.load_weights(path)
    except (ValueError, OSError, KeyError, UserWarning) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"{path} does not hold the weights of {base.name} without its top: {reason}"
        ) from error


def _copy(source: keras.Model, target: keras.Model) -> None:
    """Weights of all layers, found by name at any depth of ``source``."""
    there = {layer.name: layer for layer in _all_layers(source)}
    for layer in target.layers:
        if not layer.weights:
            continue
        if layer.name not in there:
            raise ValueError(f"{source.name} has no layer {layer.name}")
        layer.set_weights(there[layer.name].get_weights())


def _all_layers(model: keras.Model) -> list[keras.layers.Layer]:
    nested = [_all_layers(layer) for layer in model.layers if isinstance(layer, keras.Model)]
    return [*model.layers, *(layer for layers in nested for layer in layers)]
