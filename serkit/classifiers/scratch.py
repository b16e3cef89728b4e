"""VGG16 that is trained from nothing, on smaller spectrograms first."""

import keras
from keras import layers

from serkit.classifiers.pretrained import VGG16, draw_kernels
from serkit.errors import InputError, check_range
from serkit.seeds import derive_seed

_SIDE, _SIDES = 224, (32, 56, 112, 224)
# As Keras names it.
_BASE = "vgg16"


def vgg16_from_scratch(
    classes: int, side: int = _SIDE, dropout: float = 0.5, seed: int = 0
) -> keras.Model:
    """VGG16, all of it trained, the mean over positions, dropout and one dense layer.

    Its variables are the same for every side, so that a network that was trained on small
    spectrograms can go on with large ones. Half the side is a quarter of the work.

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

    Source: Simonyan & Zisserman (2015), arXiv:1409.1556; the mean over positions, Lin et al.
    (2014), arXiv:1312.4400.
    """
    check_range("classes", classes, 2)
    check_range("dropout", dropout, 0.0, 0.95)
    if side not in _SIDES:
        raise InputError(f"`side` must be 32, 56, 112 or 224. Received: {side}.")
    base = VGG16.build(weights=None, include_top=False, input_shape=(None, None, 3))
    draw_kernels(base, derive_seed(seed, VGG16.name))
    inputs = keras.Input((_SIDE, _SIDE, 1), name="spectrogram")
    x = layers.AveragePooling2D(_SIDE // side)(inputs) if side < _SIDE else inputs
    x = layers.GlobalAveragePooling2D()(base(layers.Concatenate()([x, x, x])))
    x = layers.Dropout(dropout, seed=derive_seed(seed, "dropout"))(x)
    glorot = keras.initializers.GlorotUniform(derive_seed(seed, "head", "logits"))
    logits = layers.Dense(classes, kernel_initializer=glorot, name="logits")(x)
    return keras.Model(inputs, logits, name="vgg16_from_scratch")


def base_of(model: keras.Model) -> keras.Model:
    """The convolutions of :func:`vgg16_from_scratch`, whose weights ``weights=PATH`` takes."""
    return model.get_layer(_BASE)
