"""Build ImageNet networks with downloaded weights, weights from a file, or random weights."""

import os
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np
from keras import layers

from serkit.errors import InputError, SerkitError, check_choice, check_range
from serkit.files import read_json, write_json
from serkit.seeds import derive_seed
from serkit.serialization import restored

# Scalings of a network's inputs, see :class:`WeightsCard`.
IMAGENET, PLAIN = "imagenet", "plain"
_INPUT_SHAPE = (224, 224, 3)


@dataclass(frozen=True)
class Base:
    """A network of ``keras.applications``.

    Attributes:
        name: name of the network in prose, such as ``VGG16``.
        build: function in ``keras.applications`` that builds the network.
        file: name of the file that Keras downloads: ImageNet weights without the top.
    """

    name: str
    build: Callable[..., keras.Model]
    file: str


VGG16 = Base("VGG16", keras.applications.VGG16, "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5")
RESNET50 = Base(
    "ResNet50", keras.applications.ResNet50, "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"
)


@dataclass(frozen=True)
class WeightsCard:
    """Metadata of a weights file that serkit trained, stored next to the file as JSON.

    Attributes:
        network: name of the :class:`Base`.
        speakers: speakers of the training clips.
        scaling: scaling of the inputs: ``plain``, [-1, 1], or ``imagenet``, as
            ``preprocess_input`` of ``keras.applications.vgg16`` and ``.resnet`` computes it.
        seed: seed of the folds and the training run.
        fold: number of the fold, from 1, whose training partition was used.
        uar: UAR on the fold's test speakers, 0 to 1.

    Raises:
        InputError: if the scaling is unknown, or there are no speakers.

    Example:
        >>> WeightsCard("VGG16", ("ravdess/01",), "plain", seed=0, fold=1, uar=0.5).scaling
        'plain'
    """

    network: str
    speakers: tuple[str, ...]
    scaling: str
    seed: int
    fold: int
    uar: float

    def __post_init__(self) -> None:
        check_choice("scaling", self.scaling, (IMAGENET, PLAIN))
        if not self.speakers:
            raise InputError(
                "`speakers` must name all speakers of the training clips. Received: none."
            )

    def write(self, weights: Path) -> None:
        """Write the card next to the weights file, as ``<name of the file>.json``."""
        write_json(_card_file(weights), asdict(self))


def read_card(weights: str | Path) -> WeightsCard | None:
    """Read the card of a weights file; None if there is no card.

    Raises:
        InputError: if the card is not valid.
    """
    path = _card_file(Path(weights))
    if not path.is_file():
        return None
    try:
        return restored(WeightsCard, read_json(path))
    except (ValueError, InputError) as error:
        raise InputError(
            f"{path} must be a valid card of a weights file. Received: {error}."
        ) from error


def scaling_of(weights: str | Path) -> str:
    """Return the input scaling that belongs to weights.

    It is ``plain`` for ``none``, otherwise that of the file's card, and without a card
    ``imagenet``.
    """
    if str(weights) == "none":
        return PLAIN
    card = read_card(weights)
    return card.scaling if card else IMAGENET


def speakers_of(weights: str | Path) -> frozenset[str]:
    """Return the speakers in the card of a weights file; empty without a card.

    The leakage guard needs these speakers.
    """
    card = read_card(weights)
    return frozenset(card.speakers if card else ())


def _card_file(weights: Path) -> Path:
    return weights.with_name(f"{weights.name}.json")


def load_base(base: Base, weights: str | Path, seed: int) -> keras.Model:
    """Build a network without its top, for images ``(batch, 224, 224, 3)``.

    Args:
        base: the network.
        weights: ``imagenet`` (Keras downloads them once), ``none``, or the path of a file. The file
            holds weights of the network without its top (``.h5`` as Keras 2 and
            ``keras.applications`` write them, ``.weights.h5``), or a whole model that contains
            these layers (``.keras``), such as one that serkit trained. If the file has a card, the
            card must name this network.
        seed: seed of the kernels for ``none``, drawn as in He et al. (2015), arXiv:1502.01852.

    Raises:
        InputError: if the file is missing or of another network.
        SerkitError: if the ImageNet weights cannot be downloaded; says where to put the file.
    """
    if str(weights) == "imagenet":
        return _imagenet(base)
    model = base.build(weights=None, include_top=False, input_shape=_INPUT_SHAPE)
    if str(weights) == "none":
        draw_kernels(model, derive_seed(seed, base.name))
    else:
        _load(base, model, Path(weights))
    return model


def warn_if_random(base: Base, weights: str | Path, frozen: str) -> None:
    """Warn if frozen layers have random weights; ``frozen`` describes them in the warning."""
    if str(weights) == "none":
        warnings.warn(
            f"weights='none': {frozen} of {base.name} have random weights that are not trained. "
            "This is a baseline for trained ones: pass weights='imagenet' or a weights file",
            stacklevel=3,
        )


def draw_kernels(model: keras.Model, seed: int) -> None:
    """Draw convolution kernels as in He et al. (2015), from a seed.

    Without this function, ``keras.applications`` draws them from Keras' global seed.
    """
    for index, variable in enumerate(model.trainable_variables):
        if len(variable.shape) == 4:
            # Keras' default is Glorot's initialisation, which loses half of the variance at each
            # ReLU.
            initializer = keras.initializers.HeNormal(derive_seed(seed, index))
            variable.assign(initializer(variable.shape))


def _imagenet(base: Base) -> keras.Model:
    try:
        return base.build(weights="imagenet", include_top=False, input_shape=_INPUT_SHAPE)
    # Keras raises a plain Exception for every download error.
    except Exception as error:
        home = os.environ.get("KERAS_HOME", Path.home() / ".keras")
        raise SerkitError(
            f"{base.name}'s ImageNet weights could not be downloaded ({error}). Get {base.file} "
            f"from the releases of keras-applications and put it at {Path(home, 'models')}"
            f"{os.sep}{base.file}, or pass weights=PATH, or weights='none' to train without them"
        ) from error


def _load(base: Base, model: keras.Model, path: Path) -> None:
    if not path.is_file():
        reason = "is not a file" if path.exists() else "does not exist"
        raise InputError(
            f"`weights` must be imagenet, none or the path of a file. Received: {path}, which "
            f"{reason}."
        )
    card = read_card(path)
    if card and card.network != base.name:
        raise InputError(
            f"`weights` must be those of {base.name}. Received: {card.network}'s ({path})."
        )
    try:
        if path.suffix == ".keras":
            _copy(keras.models.load_model(path, compile=False), model)
            return
        with warnings.catch_warnings():
            # If the file lacks a layer, Keras only warns and leaves the layer's weights random.
            warnings.filterwarnings("error", message="Skipping nested container")
            model.load_weights(path)
    except (ValueError, OSError, KeyError, UserWarning) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"`weights` must be a file of the weights of {base.name} without its top. "
            f"Received: {path} ({reason})."
        ) from error


def _copy(source: keras.Model, target: keras.Model) -> None:
    """Copy the weights of all layers of ``target`` from the layers of the same names."""
    source_layers = {layer.name: layer for layer in _all_layers(source)}
    for layer in target.layers:
        if not layer.weights:
            continue
        if layer.name not in source_layers:
            raise ValueError(f"{source.name} has no layer {layer.name}")
        layer.set_weights(source_layers[layer.name].get_weights())


def _all_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """Return the layers of a model, and those of the models among them, at any depth."""
    all_layers = list(model.layers)
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            all_layers += _all_layers(layer)
    return all_layers


_SIDE = 224
_VALID_SIDES = (32, 56, 112, 224)
_NORM_SUFFIX = "_norm"


def vgg16_from_scratch(
    classes: int, side: int = _SIDE, dropout: float = 0.5, seed: int = 0
) -> keras.Model:
    """Build VGG16 with batch normalisation, global average pooling, dropout and one dense layer.

    With batch normalisation the network needs fewer training steps, and adapts when the
    spectrograms become larger. :func:`plain_base` folds batch normalisation into VGG16's own
    weights. The variables have the same shapes for every ``side``, so that training on small
    spectrograms can continue on large ones. Half the side takes a quarter of the computation.

    Args:
        classes: number of classes, at least 2.
        side: side length to which average pooling reduces the spectrograms before the first
            convolution: 32, 56, 112 or 224.
        dropout: dropout rate before the dense layer, 0 to 0.95.
        seed: seed of dropout and of the kernels, drawn as in He et al. (2015), arXiv:1502.01852.

    Returns:
        A model from float32 ``(batch, 224, 224, 1)`` in [-1, 1] to logits ``(batch, classes)``.

    Raises:
        InputError: if a value is out of range.

    Example:
        >>> vgg16_from_scratch(7, side=112).output_shape
        (None, 7)

    Source: Simonyan & Zisserman (2015), arXiv:1409.1556; Ioffe & Szegedy (2015), arXiv:1502.03167;
    global average pooling, Lin et al. (2014), arXiv:1312.4400.
    """
    check_range("classes", classes, 2)
    check_range("dropout", dropout, 0.0, 0.95)
    if side not in _VALID_SIDES:
        raise InputError(f"`side` must be 32, 56, 112 or 224. Received: {side}.")
    inputs = keras.Input((_SIDE, _SIDE, 1), name="spectrogram")
    x = layers.AveragePooling2D(_SIDE // side)(inputs) if side < _SIDE else inputs
    x = layers.Concatenate()([x, x, x])
    for layer in _plain_vgg16().layers[1:]:
        if not isinstance(layer, layers.Conv2D):
            x = layers.MaxPooling2D(2, name=layer.name)(x)
            continue
        convolution = layers.Conv2D(
            layer.filters, 3, padding="same", use_bias=False, name=layer.name
        )
        # A training run has a few hundred steps: the moving averages must follow the last ones.
        x = layers.BatchNormalization(momentum=0.9, name=layer.name + _NORM_SUFFIX)(convolution(x))
        x = layers.ReLU()(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(dropout, seed=derive_seed(seed, "dropout"))(x)
    initializer = keras.initializers.GlorotUniform(derive_seed(seed, "head", "logits"))
    logits = layers.Dense(classes, kernel_initializer=initializer, name="logits")(x)
    model = keras.Model(inputs, logits, name="vgg16_from_scratch")
    draw_kernels(model, derive_seed(seed, VGG16.name))
    return model


def plain_base(model: keras.Model) -> keras.Model:
    """Return VGG16 with the batch normalisation of :func:`vgg16_from_scratch` folded in.

    Each kernel is multiplied by its channel's scale, and the channel's offset becomes the bias. The
    outputs equal those of the model's convolutions in inference. If the weights are saved to a
    file, the functions of :mod:`serkit.models.transfer` take it as ``weights``.

    Args:
        model: network that :func:`vgg16_from_scratch` built.

    Returns:
        VGG16 without its head, from ``(batch, height, width, 3)`` in [-1, 1].

    Example:
        >>> plain_base(vgg16_from_scratch(7)).output_shape
        (None, None, None, 512)
    """
    base = _plain_vgg16()
    for layer in base.layers:
        if isinstance(layer, layers.Conv2D):
            (kernel,) = model.get_layer(layer.name).get_weights()
            norm = model.get_layer(layer.name + _NORM_SUFFIX)
            gamma, beta, mean, variance = norm.get_weights()
            scale = gamma / np.sqrt(variance + norm.epsilon)
            layer.set_weights([kernel * scale, beta - mean * scale])
    return base


def _plain_vgg16() -> keras.Model:
    return VGG16.build(weights=None, include_top=False, input_shape=(None, None, 3))
