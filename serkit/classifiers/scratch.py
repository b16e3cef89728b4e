"""VGG16 that is trained from nothing, on smaller spectrograms first."""

import keras
import numpy as np
from keras import layers

from serkit.classifiers.pretrained import VGG16, draw_kernels
from serkit.errors import InputError, check_range
from serkit.seeds import derive_seed

_SIDE, _SIDES = 224, (32, 56, 112, 224)
_NORM = "_norm"


def vgg16_from_scratch(
    classes: int, side: int = _SIDE, dropout: float = 0.5, seed: int = 0
) -> keras.Model:
    """VGG16 with batch normalisation, the mean over positions, dropout and one dense layer.

    Batch normalisation lets it learn in fewer steps, and follows when the spectrograms become
    larger; :func:`plain_base` has it folded into VGG16's own weights. The variables are the same
    for every side, so that a network that was trained on small spectrograms can go on with large
    ones. Half the side is a quarter of the work.

    Args:
        classes: number of classes, at least 2.
        side: what spectrograms are averaged to before the first convolution: 32, 56, 112 or 224.
        dropout: before the dense layer, 0 to 0.95.
        seed: of the kernels, He et al.'s (2015), arXiv:1502.01852, and of dropout.

    Returns:
        A model from float32 ``(batch, 224, 224, 1)`` in [-1, 1] to logits ``(batch, classes)``.

    Raises:
        InputError: if a value is out of range.

    Example:
        >>> vgg16_from_scratch(7, side=112).output_shape
        (None, 7)

    Source: Simonyan & Zisserman (2015), arXiv:1409.1556; Ioffe & Szegedy (2015), arXiv:1502.03167;
    the mean over positions, Lin et al. (2014), arXiv:1312.4400.
    """
    check_range("classes", classes, 2)
    check_range("dropout", dropout, 0.0, 0.95)
    if side not in _SIDES:
        raise InputError(f"`side` must be 32, 56, 112 or 224. Received: {side}.")
    inputs = keras.Input((_SIDE, _SIDE, 1), name="spectrogram")
    x = layers.AveragePooling2D(_SIDE // side)(inputs) if side < _SIDE else inputs
    x = layers.Concatenate()([x, x, x])
    for layer in _plain().layers[1:]:
        if not isinstance(layer, layers.Conv2D):
            x = layers.MaxPooling2D(2, name=layer.name)(x)
            continue
        convolution = layers.Conv2D(
            layer.filters, 3, padding="same", use_bias=False, name=layer.name
        )
        # Of a few hundred steps, the last ones count.
        x = layers.BatchNormalization(momentum=0.9, name=layer.name + _NORM)(convolution(x))
        x = layers.ReLU()(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(dropout, seed=derive_seed(seed, "dropout"))(x)
    glorot = keras.initializers.GlorotUniform(derive_seed(seed, "head", "logits"))
    logits = layers.Dense(classes, kernel_initializer=glorot, name="logits")(x)
    model = keras.Model(inputs, logits, name="vgg16_from_scratch")
    draw_kernels(model, derive_seed(seed, VGG16.name))
    return model


def plain_base(model: keras.Model) -> keras.Model:
    """The convolutions of :func:`vgg16_from_scratch` as VGG16's own, normalisation folded in.

    Each kernel takes up its channel's scale, and the bias the rest; outputs are those of the model
    in inference. Its weights are what ``weights=PATH`` takes.

    Returns:
        VGG16 without its head, from ``(batch, height, width, 3)`` in [-1, 1].

    Example:
        >>> plain_base(vgg16_from_scratch(7)).output_shape
        (None, None, None, 512)
    """
    base = _plain()
    for layer in base.layers:
        if isinstance(layer, layers.Conv2D):
            (kernel,) = model.get_layer(layer.name).get_weights()
            norm = model.get_layer(layer.name + _NORM)
            gamma, beta, mean, variance = norm.get_weights()
            scale = gamma / np.sqrt(variance + norm.epsilon)
            layer.set_weights([kernel * scale, beta - mean * scale])
    return base


def _plain() -> keras.Model:
    return VGG16.build(weights=None, include_top=False, input_shape=(None, None, 3))
