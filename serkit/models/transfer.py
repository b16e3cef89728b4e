"""The three classifiers of the 2021 report: ImageNet networks with a new head."""

from dataclasses import dataclass, replace
from pathlib import Path

import keras
from keras import layers

from serkit.errors import InputError, check_choice, check_range
from serkit.models.pretrained import PLAIN, RESNET50, VGG16, load_base, scaling_of, warn_if_random
from serkit.seeds import derive_seed
from serkit.training.precision import PRECISIONS, dtype_policy_scope

# The layers after which the 2021 report's listing has spatial dropout (its modules 20, 23 and 25),
# each with the number of convolutions before this dropout.
_CONVOLUTIONS_BEFORE_DROPOUT = {"block4_conv2": 9, "block4_pool": 10, "block5_conv1": 11}
_CONVOLUTION_COUNT = 13
_INPUT_SHAPE = (224, 224, 1)


@dataclass(frozen=True)
class TransferSettings:
    """Frozen layers, head and precision of a transfer network.

    Attributes:
        frozen_convs: number of VGG16's 13 convolutions, from the input, that are frozen: 10 as in
            the 2021 report's text, 8 as in its listing. Networks that train only the head ignore
            it.
        head: number of units of each fully connected layer before the last; ``(4096, 4096)`` on
            VGG16 in the 2021 report, ``()`` on ResNet50, see :data:`RESNET50_HEAD`.
        spatial_dropout: dropout rate between the last convolutions of VGG16, 0 to 0.95. It is
            applied only where the next convolution is trained, so that frozen layers compute the
            same at every step.
        dropout: dropout rate after each fully connected layer of the head, 0 to 0.95.
        precision: ``float32``, or ``mixed_bfloat16`` to compute in bfloat16, with weights and
            logits in float32.

    Raises:
        InputError: if a value is out of range.
    """

    frozen_convs: int = 10
    head: tuple[int, ...] = (4096, 4096)
    spatial_dropout: float = 0.4
    dropout: float = 0.5
    precision: str = "float32"

    def __post_init__(self) -> None:
        check_range("frozen_convs", self.frozen_convs, 0, _CONVOLUTION_COUNT)
        if any(units < 1 for units in self.head):
            raise InputError(f"`head` must be positive numbers of units. Received: {self.head!r}.")
        check_range("spatial_dropout", self.spatial_dropout, 0.0, 0.95)
        check_range("dropout", self.dropout, 0.0, 0.95)
        check_choice("precision", self.precision, PRECISIONS)


RESNET50_HEAD = TransferSettings(head=())
"""Settings of :func:`resnet50_head`: the network's single fully connected layer, trained anew."""


def vgg16_half_freeze(
    classes: int,
    weights: str | Path,
    settings: TransferSettings | None = None,
    seed: int = 0,
) -> keras.Model:
    """Build VGG16 for one-channel spectrograms, with frozen first convolutions and a new head.

    The 2021 report's text freezes ten of the 13 convolutions, its listing eight; see
    :attr:`TransferSettings.frozen_convs`. The listing as printed freezes none: it looks for layers
    whose names contain "Features1", but the layers are called "features1".

    ``weights="none"`` changes three things. Kernels are drawn as in He et al. (2015). Spectrograms
    stay in [-1, 1] and get no ImageNet preprocessing. The outputs of the frozen layers are
    standardised per channel, with mean and variance of the training batches.

    Args:
        classes: number of classes, at least 2.
        weights: ``imagenet`` (Keras downloads them once), ``none``, or the path of a file; see
            :func:`serkit.models.pretrained.load_base`.
        settings: frozen layers, head and precision.
        seed: seed of new weights and dropout.

    Returns:
        A model from float32 ``(batch, 224, 224, 1)`` in [-1, 1] to logits ``(batch, classes)``.

    Raises:
        InputError: if a value is out of range, or the file is missing or of another network.
        SerkitError: if the ImageNet weights cannot be downloaded; says where to put the file.

    Example:
        >>> import serkit
        >>> from serkit.models.transfer import TransferSettings
        >>> settings = TransferSettings(frozen_convs=0, head=(8,))  # trains all convolutions
        >>> model = serkit.vgg16_half_freeze(4, "none", settings)
        >>> model.input_shape, model.output_shape
        ((None, 224, 224, 1), (None, 4))

    Source: 2021 report, section 6.2 and its listing; Simonyan & Zisserman (2015), arXiv:1409.1556.
    """
    settings = settings or TransferSettings()
    if settings.frozen_convs:
        warn_if_random(VGG16, weights, f"{settings.frozen_convs} convolutions")
    return _vgg16("vgg16_half_freeze", classes, weights, settings, seed)


def vgg16_head(
    classes: int,
    weights: str | Path,
    settings: TransferSettings | None = None,
    seed: int = 0,
) -> keras.Model:
    """Build VGG16 with all convolutions frozen and a new head.

    Args:
        classes: number of classes, at least 2.
        weights: as for :func:`vgg16_half_freeze`.
        settings: head and precision; ``frozen_convs`` is ignored.
        seed: seed of new weights and dropout.

    Returns:
        A model from float32 ``(batch, 224, 224, 1)`` in [-1, 1] to logits ``(batch, classes)``.

    Raises:
        InputError: if a value is out of range, or the file is missing or of another network.
        SerkitError: if the ImageNet weights cannot be downloaded; says where to put the file.

    Example:
        .. code-block:: python

            model = serkit.vgg16_head(classes=4, weights="imagenet")

    Source: 2021 report, section 6.2, ``VGG_16_only_fl``.
    """
    settings = replace(settings or TransferSettings(), frozen_convs=_CONVOLUTION_COUNT)
    warn_if_random(VGG16, weights, "all convolutions")
    return _vgg16("vgg16_head", classes, weights, settings, seed)


def resnet50_head(
    classes: int,
    weights: str | Path,
    settings: TransferSettings | None = None,
    seed: int = 0,
) -> keras.Model:
    """Build ResNet50 with all convolutions frozen, global average pooling and a new head.

    Batch normalisation stays in inference mode: in training, too, it uses the statistics that come
    with the weights. (For networks that train it: Keras' moving variance is that of the batch,
    PyTorch's is the unbiased one, n / (n - 1) times as large.)

    Args:
        classes: number of classes, at least 2.
        weights: as for :func:`vgg16_half_freeze`.
        settings: head and precision; ``frozen_convs`` and ``spatial_dropout`` are ignored. Default:
            :data:`RESNET50_HEAD`, with 2,049 trained parameters per class. ``head=(4096, 4096)``
            gives the network a head like VGG16's.
        seed: seed of new weights and dropout.

    Returns:
        A model from float32 ``(batch, 224, 224, 1)`` in [-1, 1] to logits ``(batch, classes)``.

    Raises:
        InputError: if a value is out of range, or the file is missing or of another network.
        SerkitError: if the ImageNet weights cannot be downloaded; says where to put the file.

    Example:
        .. code-block:: python

            model = serkit.resnet50_head(classes=4, weights="imagenet")

    Source: the 2021 report, sections 4.2.4 and 6.2, ``ResNET50_only_fl``; He et al. (2016),
    arXiv:1512.03385.
    """
    settings = settings or RESNET50_HEAD
    check_range("classes", classes, 2)
    warn_if_random(RESNET50, weights, "all convolutions")
    with dtype_policy_scope(settings.precision):
        base = load_base(RESNET50, weights, seed)
        base.trainable = False
        inputs = keras.Input(_INPUT_SHAPE, name="spectrogram")
        x = layers.GlobalAveragePooling2D()(base(_to_three_channels(inputs, weights)))
        if str(weights) == "none":
            x = _standardise(x)
        logits = _head(x, classes, settings, seed)
    return keras.Model(inputs, logits, name="resnet50_head")


TRANSFER = {
    "resnet50-head": resnet50_head,
    "vgg16-head": vgg16_head,
    "vgg16-half-freeze": vgg16_half_freeze,
}
"""The 2021 report's three classifiers by name."""


def _vgg16(
    name: str, classes: int, weights: str | Path, settings: TransferSettings, seed: int
) -> keras.Model:
    check_range("classes", classes, 2)
    frozen_count = settings.frozen_convs
    with dtype_policy_scope(settings.precision):
        base = load_base(VGG16, weights, seed)
        inputs = keras.Input(_INPUT_SHAPE, name="spectrogram")
        x = _to_three_channels(inputs, weights)
        last_frozen = _last_frozen_layer(base, frozen_count) if str(weights) == "none" else None
        convolution_number = 0
        for original in base.layers[1:]:
            # Copy the layer, because a layer of the base belongs to one model alone.
            layer = type(original).from_config(original.get_config())
            x = layer(x)
            layer.set_weights(original.get_weights())
            if isinstance(layer, layers.Conv2D):
                convolution_number += 1
                layer.trainable = convolution_number > frozen_count
            if layer.name == last_frozen:
                x = _standardise(x)
            has_dropout = _CONVOLUTIONS_BEFORE_DROPOUT.get(layer.name, -1) >= frozen_count
            if has_dropout and settings.spatial_dropout:
                dropout_seed = derive_seed(seed, "spatial", layer.name)
                x = layers.SpatialDropout2D(settings.spatial_dropout, seed=dropout_seed)(x)
        logits = _head(layers.Flatten()(x), classes, settings, seed)
    return keras.Model(inputs, logits, name=name)


def _head(x, classes: int, settings: TransferSettings, seed: int):
    for index, units in enumerate(settings.head):
        initializer = keras.initializers.GlorotUniform(derive_seed(seed, "head", index))
        x = layers.Dense(units, "relu", kernel_initializer=initializer, name=f"fc{index + 1}")(x)
        x = layers.Dropout(settings.dropout, seed=derive_seed(seed, "dropout", index))(x)
    initializer = keras.initializers.GlorotUniform(derive_seed(seed, "head", "logits"))
    return layers.Dense(classes, kernel_initializer=initializer, dtype="float32", name="logits")(x)


def _last_frozen_layer(base: keras.Model, frozen_count: int) -> str | None:
    """Return the name of the last layer before the first trained convolution.

    Returns None if all convolutions are trained.
    """
    if not frozen_count:
        return None
    names = [layer.name for layer in base.layers[1:]]
    convolution_indices = [index for index, name in enumerate(names) if "conv" in name]
    if frozen_count == len(convolution_indices):
        return names[-1]
    return names[convolution_indices[frozen_count] - 1]


def _standardise(x):
    """Standardise each channel with the mean and variance of training batches.

    The outputs of a frozen random network can have any scale. No weights are trained.
    """
    return layers.BatchNormalization(momentum=0.9, center=False, scale=False, name="standardised")(
        x
    )


def _to_three_channels(x, weights: str | Path):
    """Convert one channel in [-1, 1] to the three channels that the network expects.

    The scaling is that of :func:`serkit.models.pretrained.scaling_of`. ``plain`` repeats the
    channel. ``imagenet`` gives blue, green and red, 0 to 255, minus a mean each, as
    ``preprocess_input`` of ``keras.applications.vgg16`` and ``.resnet`` does.
    """
    x = layers.Concatenate()([x, x, x])
    if scaling_of(weights) == PLAIN:
        return x
    means = [103.939, 116.779, 123.68]
    return layers.Normalization(
        mean=[(mean - 127.5) / 127.5 for mean in means],
        variance=[1 / 127.5**2] * 3,
        name="imagenet",
    )(x)
