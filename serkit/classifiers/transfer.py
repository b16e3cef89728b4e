"""VGG16 with its first convolutions frozen: the report's best classifier (section 6.2)."""

import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import keras
from keras import layers

from serkit.errors import InputError, SerkitError, check_range
from serkit.seeds import derive_seed

IMAGENET_FILE = "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
# Behind these layers the report's listing puts spatial dropout: its modules 20, 23 and 25.
_DROPOUT_BEHIND = ("block4_conv2", "block4_pool", "block5_conv1")
_CONVOLUTIONS = 13


@dataclass(frozen=True)
class VGG16Settings:
    """How much of VGG16 is frozen, and its head.

    Attributes:
        frozen_convs: number of convolutions, from the input, that keep their weights: 10 as in the
            report's text, 8 as in its listing, 13 for the head alone.
        head: units of the fully connected layers before the last; ``(4096, 4096)`` in the report.
        spatial_dropout: between the last convolutions, 0 to 1.
        dropout: behind each fully connected layer of the head, 0 to 1.
    """

    frozen_convs: int = 10
    head: tuple[int, ...] = (4096, 4096)
    spatial_dropout: float = 0.4
    dropout: float = 0.5

    def __post_init__(self) -> None:
        check_range("frozen_convs", self.frozen_convs, 0, _CONVOLUTIONS)
        if any(units < 1 for units in self.head):
            raise InputError(f"head={self.head!r}; valid are positive numbers of units")
        check_range("spatial_dropout", self.spatial_dropout, 0.0, 0.95)
        check_range("dropout", self.dropout, 0.0, 0.95)


def vgg16_half_freeze(
    classes: int,
    weights: str | Path,
    settings: VGG16Settings | None = None,
    seed: int = 0,
) -> keras.Model:
    """VGG16 on greyscale spectrograms, the first convolutions frozen, a new head.

    Args:
        classes: number of classes, at least 2.
        weights: ``imagenet`` (Keras downloads them once), ``none``, or the path of a weights file
            of ``keras.applications.VGG16(include_top=False)``.
        settings: what is frozen, and the head.
        seed: of new weights and dropout.

    Returns:
        A model from float32 ``(batch, 224, 224, 1)`` in [-1, 1] to logits ``(batch, classes)``.

    Raises:
        InputError: if a value is out of range, or the file is missing or of another network.
        SerkitError: if the ImageNet weights cannot be downloaded; says where to put the file.

    Source: report, section 6.2 and figure 20; Simonyan & Zisserman (2015), arXiv:1409.1556.
    """
    check_range("classes", classes, 2)
    settings = settings or VGG16Settings()
    base = _base(weights, seed)
    if str(weights) == "none" and settings.frozen_convs:
        warnings.warn(
            f"weights='none': the {settings.frozen_convs} frozen convolutions of VGG16 are random "
            "and stay so; use imagenet or a weights file for a result that means anything",
            stacklevel=2,
        )
    _freeze(base, settings.frozen_convs)

    inputs = keras.Input((224, 224, 1), name="spectrogram")
    x = _to_imagenet_colours(inputs)
    for layer in base.layers[1:]:
        x = layer(x)
        if layer.name in _DROPOUT_BEHIND and settings.spatial_dropout:
            seed_here = derive_seed(seed, "spatial", layer.name)
            x = layers.SpatialDropout2D(settings.spatial_dropout, seed=seed_here)(x)
    x = layers.Flatten()(x)
    for number, units in enumerate(settings.head):
        glorot = keras.initializers.GlorotUniform(derive_seed(seed, "head", number))
        x = layers.Dense(units, "relu", kernel_initializer=glorot, name=f"fc{number + 1}")(x)
        x = layers.Dropout(settings.dropout, seed=derive_seed(seed, "dropout", number))(x)
    glorot = keras.initializers.GlorotUniform(derive_seed(seed, "head", "logits"))
    logits = layers.Dense(classes, kernel_initializer=glorot, dtype="float32", name="logits")(x)
    return keras.Model(inputs, logits, name="vgg16_half_freeze")


def _base(weights: str | Path, seed: int) -> keras.Model:
    if str(weights) == "imagenet":
        return _imagenet_base()
    base = keras.applications.VGG16(weights=None, include_top=False, input_shape=(224, 224, 3))
    if str(weights) != "none":
        _load(base, Path(weights))
        return base
    for number, variable in enumerate(base.trainable_variables):
        if len(variable.shape) == 4:
            glorot = keras.initializers.GlorotUniform(derive_seed(seed, "vgg16", number))
            variable.assign(glorot(variable.shape))
    return base


def _imagenet_base() -> keras.Model:
    try:
        return keras.applications.VGG16(
            weights="imagenet", include_top=False, input_shape=(224, 224, 3)
        )
    # Keras wraps whatever its download raised into a plain Exception.
    except Exception as error:
        home = os.environ.get("KERAS_HOME", Path.home() / ".keras")
        cache = Path(home, "models", IMAGENET_FILE)
        raise SerkitError(
            f"VGG16's ImageNet weights could not be downloaded ({error}). Get {IMAGENET_FILE} "
            f"from the releases of keras-applications and put it at {cache}, or pass "
            "weights=PATH, or weights='none' to train without them"
        ) from error


def _load(base: keras.Model, path: Path) -> None:
    if not path.is_file():
        raise InputError(f"weights={str(path)!r} is no file; valid are imagenet, none and a path")
    try:
        with warnings.catch_warnings():
            # Keras only warns where a file lacks a layer, and leaves its weights random.
            warnings.filterwarnings("error", message="Skipping nested container")
            base.load_weights(path)
    except (ValueError, OSError, KeyError, UserWarning) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} does not hold the weights of VGG16: {reason}") from error


def _freeze(base: keras.Model, count: int) -> None:
    convolutions = [layer for layer in base.layers if isinstance(layer, layers.Conv2D)]
    for layer in convolutions[:count]:
        layer.trainable = False


def _to_imagenet_colours(x):
    """[-1, 1] grey to what VGG16 was trained on: three channels of 0 to 255, the means taken."""
    x = layers.Concatenate()([x, x, x])
    means = [103.939, 116.779, 123.68]
    shift = [127.5 - mean for mean in means]
    rescale = layers.Normalization(
        mean=[-offset / 127.5 for offset in shift], variance=[1 / 127.5**2] * 3, name="imagenet"
    )
    return rescale(x)
