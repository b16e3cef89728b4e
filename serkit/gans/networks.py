"""Build the generator, discriminators (section 6.1) and critic (8.1) of the 2021 report.

The paddings of PyTorch's convolutions are separate layers here, because the backward pass of a
padded TensorFlow convolution is many times slower. All networks are functional models, so Keras can
save them without custom code.
"""

from collections.abc import Sequence

import keras
from keras import layers

from serkit.errors import check_range
from serkit.seeds import derive_seed

LATENT = 5
"""Length of the 2021 report's noise vector."""

IMAGE_SHAPE = (224, 224, 1)

# (channels, kernel, stride, padding) of each block, in PyTorch's terms.
_GENERATOR = ((512, 4, 1, 0), (256, 4, 2, 1), (128, 6, 2, 1), (64, 6, 3, 1), (64, 6, 2, 1))
_DISCRIMINATOR1 = ((64, 6, 3, 2), (256, 6, 3, 2), (512, 6, 3, 2))
_DISCRIMINATOR2 = (
    *((64, 4, 2, 2), (256, 4, 2, 2), (512, 4, 2, 2)),
    *((1024, 4, 2, 2), (1024, 5, 2, 2), (1024, 5, 2, 1)),
)
_CRITIC = ((64, 6, 2, 0), (128, 6, 2, 0), (256, 6, 3, 0), (512, 6, 2, 0))


def generator(
    width: float = 1.0, latent: int = LATENT, seed: int = 0, classes: int = 0
) -> keras.Model:
    """Build the generator, from noise to spectrograms.

    The side lengths are 4, 8, 18, 55, 112, 224. At width 1 it has 3,763,200 parameters. (This is
    PyTorch's count; Keras' ``count_params`` adds batch normalisation's moving statistics.)

    Args:
        width: factor on every inner channel count, for small machines; at least 8 channels remain.
        latent: length of the noise vector.
        seed: seed of the initial weights.
        classes: 0 for the 2021 report's network; otherwise the number of classes of a conditional
            generator. A learned vector of length ``latent`` for the class is then appended to the
            noise.

    Returns:
        A model from ``(batch, latent)`` to float32 ``(batch, 224, 224, 1)`` in (-1, 1). With
        classes, the inputs are this noise and int32 class numbers ``(batch,)``.

    Raises:
        InputError: if ``width``, ``latent`` or ``classes`` is out of range.

    Source: 2021 report, section 6.1; for classes Mirza & Osindero (2014), arXiv:1411.1784.
    """
    check_range("width", width, 0.01, 4.0)
    check_range("latent", latent, 1)
    initializers = _Initializers(seed, "generator")
    noise = keras.Input((latent,), name="noise")
    inputs, x = noise, noise
    if classes:
        class_number = _class_input(classes)
        inputs = [noise, class_number]
        # The same variance as the noise, so that both inputs have the same scale.
        embedding = layers.Embedding(
            classes, latent, initializers.normal(0.0, 1.0), name="class_vector"
        )
        x = layers.Concatenate()([noise, embedding(class_number)])
    x = layers.Reshape((1, 1, x.shape[-1]))(x)
    for channels, kernel, stride, padding in _GENERATOR:
        x = _upsample(x, _scaled(channels, width), kernel, stride, padding, initializers)
        x = layers.ReLU()(_batch_norm(x, initializers))
    x = _upsample(x, 1, 4, 2, 1, initializers)
    # float32 output under any dtype policy, so that losses are computed in full precision.
    x = layers.Activation("tanh", dtype="float32", name="spectrogram")(x)
    return keras.Model(inputs, x, name="generator")


def discriminator1(width: float = 1.0, seed: int = 0, classes: int = 0) -> keras.Model:
    """Build the 2021 report's first discriminator, which has dropout to make it learn more slowly.

    The side lengths are 75, 25, 8, 1. At width 1 it has 5,330,688 parameters.

    The text of the 2021 report puts the dropout before the fourth convolution, its listing before
    the third. This network follows the listing.

    Args:
        width: factor on every inner channel count; at least 8 channels remain.
        seed: seed of the initial weights and the dropout.
        classes: 0 for the 2021 report's network; otherwise the number of classes of a conditional
            discriminator. The dot product of a learned vector for the class and the mean of the
            last features is then added to the logit.

    Returns:
        A model from ``(batch, 224, 224, 1)`` to one float32 logit ``(batch, 1)``. With classes, the
        inputs are these spectrograms and int32 class numbers ``(batch,)``.

    Raises:
        InputError: if ``width`` or ``classes`` is out of range.

    Source: 2021 report, section 6.1; for classes Miyato & Koyama (2018), arXiv:1802.05637.
    """
    return _discriminator(
        "discriminator1", _DISCRIMINATOR1, (6, 3, 0), width, seed, classes, dropout=0.4
    )


def discriminator2(width: float = 1.0, seed: int = 0, classes: int = 0) -> keras.Model:
    """Build the 2021 report's second, deeper discriminator.

    The side lengths are 113, 57, 29, 15, 8, 3, 1. At width 1 it has 63,194,624 parameters.

    Arguments, result and errors are those of :func:`discriminator1`.
    """
    return _discriminator("discriminator2", _DISCRIMINATOR2, (3, 2, 0), width, seed, classes)


def critic(width: float = 1.0, seed: int = 0, classes: int = 0) -> keras.Model:
    """Build the 2021 report's critic, with changes that a WGAN-GP needs.

    The side lengths are 110, 53, 16, 6, 1. At width 1 it has 6,216,769 parameters.

    The 2021 report's listing takes three channels, but spectrograms have one. The listing also uses
    batch normalisation. The gradient penalty forbids it, because the penalty is defined for each
    example separately. This network uses layer normalisation instead, over all values of an
    example, with a scale and an offset per channel. The authors of WGAN-GP recommend and use layer
    normalisation. The convolutions have biases, unlike those of the discriminators.

    Args:
        width: factor on every inner channel count; at least 8 channels remain.
        seed: seed of the initial weights.
        classes: as for :func:`discriminator1`.

    Returns:
        A model from ``(batch, 224, 224, 1)`` to one unbounded float32 score ``(batch, 1)``. With
        classes, the inputs are these spectrograms and int32 class numbers ``(batch,)``.

    Raises:
        InputError: if ``width`` or ``classes`` is out of range.

    Source: 2021 report, section 8.1; Gulrajani et al. (2017), arXiv:1704.00028, section 4.
    """
    check_range("width", width, 0.01, 4.0)
    initializers = _Initializers(seed, "critic")
    spectrograms = keras.Input(IMAGE_SHAPE, name="spectrogram")
    x = spectrograms
    for channels, kernel, stride, padding in _CRITIC:
        x = _downsample(
            x, _scaled(channels, width), kernel, stride, padding, initializers, use_bias=True
        )
        norm = layers.GroupNormalization(1, epsilon=1e-5, gamma_initializer=initializers.scale())
        x = layers.LeakyReLU(negative_slope=0.2)(norm(x))
    score = layers.Flatten()(_downsample(x, 1, 6, 2, 0, initializers, use_bias=True))
    return _build_model("critic", "score", spectrograms, x, score, classes, initializers)


DISCRIMINATORS = {"discriminator1": discriminator1, "discriminator2": discriminator2}


def _discriminator(
    name: str,
    blocks: Sequence[tuple[int, int, int, int]],
    last_convolution: tuple[int, int, int],
    width: float,
    seed: int,
    classes: int,
    dropout: float = 0.0,
) -> keras.Model:
    check_range("width", width, 0.01, 4.0)
    initializers = _Initializers(seed, name)
    spectrograms = keras.Input(IMAGE_SHAPE, name="spectrogram")
    x = spectrograms
    for block, (channels, kernel, stride, padding) in enumerate(blocks):
        x = _downsample(x, _scaled(channels, width), kernel, stride, padding, initializers)
        if block > 0:
            x = _batch_norm(x, initializers)
        x = layers.LeakyReLU(negative_slope=0.2)(x)
        if dropout and block == 1:
            x = layers.SpatialDropout2D(dropout, seed=derive_seed(seed, name, "dropout"))(x)
    kernel, stride, padding = last_convolution
    logit = layers.Flatten()(_downsample(x, 1, kernel, stride, padding, initializers))
    return _build_model(name, "logit", spectrograms, x, logit, classes, initializers)


def _build_model(
    name: str,
    output_name: str,
    spectrograms,
    features,
    outputs,
    classes: int,
    initializers: "_Initializers",
) -> keras.Model:
    """Build the model from spectrograms, and class numbers if any, to a float32 output.

    With classes, the dot product of a class vector and the mean features is added to the output.
    """
    inputs = spectrograms
    if classes:
        class_number = _class_input(classes)
        inputs = [spectrograms, class_number]
        # Small initial values: the discriminator first learns to recognise real spectrograms, then
        # classes.
        embedding = layers.Embedding(
            classes, features.shape[-1], initializers.normal(0.0), name="class_vector"
        )
        mean_features = layers.GlobalAveragePooling2D()(features)
        class_output = layers.Dot(1)([embedding(class_number), mean_features])
        outputs = layers.Add()([outputs, class_output])
    outputs = layers.Activation("linear", dtype="float32", name=output_name)(outputs)
    return keras.Model(inputs, outputs, name=name)


def _class_input(classes: int):
    check_range("classes", classes, 2)
    return keras.Input((), dtype="int32", name="class")


class _Initializers:
    """Initializers of the DCGAN paper (Radford et al. 2016), with a separate seed per layer."""

    def __init__(self, seed: int, name: str) -> None:
        self._seed, self._name, self._count = seed, name, 0

    def normal(self, mean: float, deviation: float = 0.02) -> keras.initializers.Initializer:
        self._count += 1
        seed = derive_seed(self._seed, self._name, self._count)
        return keras.initializers.RandomNormal(mean, deviation, seed=seed)

    def kernel(self) -> keras.initializers.Initializer:
        return self.normal(0.0)

    def scale(self) -> keras.initializers.Initializer:
        return self.normal(1.0)


def _scaled(channels: int, width: float) -> int:
    return max(8, round(channels * width))


def _batch_norm(x, initializers: _Initializers):
    # PyTorch's momentum of 0.1 equals 0.9 in Keras. PyTorch's moving variance is unbiased, Keras'
    # is biased.
    norm = layers.BatchNormalization(
        momentum=0.9, epsilon=1e-5, gamma_initializer=initializers.scale()
    )
    return norm(x)


def _downsample(
    x,
    channels: int,
    kernel: int,
    stride: int,
    padding: int,
    initializers: _Initializers,
    use_bias: bool = False,
):
    if padding:
        x = layers.ZeroPadding2D(padding)(x)
    convolution = layers.Conv2D(
        channels, kernel, stride, use_bias=use_bias, kernel_initializer=initializers.kernel()
    )
    return convolution(x)


def _upsample(
    x, channels: int, kernel: int, stride: int, padding: int, initializers: _Initializers
):
    convolution = layers.Conv2DTranspose(
        channels, kernel, stride, use_bias=False, kernel_initializer=initializers.kernel()
    )
    x = convolution(x)
    return layers.Cropping2D(padding)(x) if padding else x
