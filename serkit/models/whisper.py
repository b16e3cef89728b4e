"""Whisper's speech encoder, and features of a recording from its layers."""

from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from serkit.audio.whisper_spectrogram import HOP, MAX_SAMPLES
from serkit.errors import InputError, check_range

MAX_POSITIONS = MAX_SAMPLES // HOP // 2
"""Number of positions in 30 seconds: one every 20 ms."""
_HEAD_WIDTH = 64


@dataclass(frozen=True)
class WhisperSettings:
    """Size of a Whisper encoder.

    Attributes:
        depth: number of transformer blocks: 4 (tiny) to 32 (large).
        width: width of the hidden states, a multiple of 64: 384 (tiny) to 1,280 (large). There are
            ``width / 64`` attention heads.
        mels: number of mel bands: 80, or 128 for large-v3 and turbo.

    Raises:
        InputError: if a value is not valid.

    Example:
        >>> WhisperSettings(depth=4, width=384).mels
        80
    """

    depth: int
    width: int
    mels: int = 80

    def __post_init__(self) -> None:
        check_range("depth", self.depth, 1)
        check_range("mels", self.mels, 1)
        if self.width < _HEAD_WIDTH or self.width % _HEAD_WIDTH:
            raise InputError(f"`width` must be a multiple of 64. Received: {self.width}.")


def whisper_encoder(settings: WhisperSettings, name: str = "whisper_encoder") -> keras.Model:
    """Build Whisper's encoder without weights, for recordings of any length up to 30 seconds.

    Recordings are not padded to 30 seconds, as OpenAI's code does: the positional embedding is cut
    to their length. In a batch, shorter recordings are padded with zeros; the padding is masked, so
    that the hidden states of a recording do not depend on it.

    Args:
        settings: size of the encoder.
        name: name of the model.

    Returns:
        A model with the inputs ``spectrogram``, float32 ``(batch, frames, mels)`` with up to 3,000
        frames (:func:`serkit.audio.whisper_spectrogram.whisper_spectrogram`), and ``frame_count``,
        int32 ``(batch,)``: the number of frames of each recording. Its outputs are the hidden
        states after each block and after the last normalisation: ``depth + 1`` tensors of float32
        ``(batch, positions, width)``, one position for two frames, with any values at positions of
        padding.

    Example:
        >>> import numpy as np
        >>> encoder = whisper_encoder(WhisperSettings(depth=2, width=64))
        >>> states = encoder([np.zeros((1, 100, 80), "float32"), np.array([100])])
        >>> len(states), states[0].shape.as_list()
        (3, [1, 50, 64])

    Source: Radford et al. (2022), arXiv:2212.04356, section 2.2.
    """
    width = settings.width
    spectrogram = keras.Input((None, settings.mels), name="spectrogram")
    frame_count = keras.Input((), dtype="int32", name="frame_count")
    position_count = -(-frame_count // 2)
    x = MaskPadding(name="mask_frames")(spectrogram, frame_count)
    x = layers.Conv1D(width, 3, name="conv1")(layers.ZeroPadding1D(1)(x))
    x = MaskPadding(name="mask_convolved")(_gelu(x), frame_count)
    x = layers.Conv1D(width, 3, strides=2, name="conv2")(layers.ZeroPadding1D(1)(x))
    x = PositionEmbedding(MAX_POSITIONS, name="positions")(_gelu(x))
    states = []
    for number in range(settings.depth):
        x = transformer_block(x, position_count, width, f"block{number}")
        states.append(x)
    states.append(_layer_norm("norm")(x))
    return keras.Model([spectrogram, frame_count], states, name=name)


def transformer_block(
    x: keras.KerasTensor, position_count: Any, width: int, name: str
) -> keras.KerasTensor:
    """Apply one block of the encoder: self-attention and a feed-forward network, both residual.

    Args:
        x: hidden states ``(batch, positions, width)``.
        position_count: int ``(batch,)``, the number of positions that are not padding.
        width: width of the hidden states.
        name: first part of the names of the block's layers.
    """
    attention = SelfAttention(width, width // _HEAD_WIDTH, name=f"{name}_attention")
    x = x + attention(_layer_norm(f"{name}_attention_norm")(x), position_count)
    hidden = PositionwiseDense(4 * width, "gelu", name=f"{name}_hidden")
    output = PositionwiseDense(width, name=f"{name}_output")
    return x + output(hidden(_layer_norm(f"{name}_mlp_norm")(x)))


def _layer_norm(name: str) -> keras.layers.Layer:
    return LayerNorm(epsilon=1e-5, name=name)


def _gelu(x: keras.KerasTensor) -> keras.KerasTensor:
    return keras.ops.gelu(x, approximate=False)


@keras.saving.register_keras_serializable("serkit")
class MaskPadding(keras.layers.Layer):
    """Set the frames after the end of each recording to 0.

    Inputs are ``(batch, frames, values)`` and int ``(batch,)``, the number of frames to keep;
    outputs have the shape of the first input.

    Example:
        >>> import tensorflow as tf
        >>> MaskPadding()(tf.ones([1, 3, 1]), tf.constant([2])).numpy().ravel().tolist()
        [1.0, 1.0, 0.0]
    """

    def call(self, x: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
        """Return ``x`` with zeros after ``count`` frames."""
        mask = tf.sequence_mask(count, tf.shape(x)[1], x.dtype)
        return x * mask[:, :, tf.newaxis]


@keras.saving.register_keras_serializable("serkit")
class PositionEmbedding(keras.layers.Layer):
    """Add a vector that depends on the position.

    Inputs and outputs are ``(batch, positions, width)``.

    Args:
        max_positions: largest number of positions.
        **kwargs: as for any Keras layer.

    Example:
        >>> import tensorflow as tf
        >>> PositionEmbedding(10)(tf.zeros([2, 3, 4])).shape.as_list()
        [2, 3, 4]
    """

    def __init__(self, max_positions: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_positions: int = max_positions

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the vectors."""
        self.embeddings = self.add_weight(
            shape=(self.max_positions, input_shape[-1]), initializer="zeros", name="embeddings"
        )

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Return ``x`` plus the vectors of its positions."""
        return x + self.embeddings[: tf.shape(x)[1]]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer as JSON values."""
        return {**super().get_config(), "max_positions": self.max_positions}


@keras.saving.register_keras_serializable("serkit")
class LayerNorm(layers.LayerNormalization):
    """Layer normalisation over the last axis, in fewer operations than Keras' own.

    Gives the outputs of :class:`keras.layers.LayerNormalization` with the same ``epsilon``, in half
    the time on a CPU with one recording a batch.

    Example:
        >>> import tensorflow as tf
        >>> LayerNorm()(tf.constant([[[1.0, 3.0]]])).numpy().round(2).tolist()
        [[[-1.0, 1.0]]]

    Source: Ba et al. (2016), arXiv:1607.06450.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return ``inputs`` with mean 0 and variance 1 along the last axis, then scaled."""
        x = tf.cast(inputs, tf.float32)
        x -= tf.reduce_mean(x, axis=-1, keepdims=True)
        variance = tf.reduce_mean(x * x, axis=-1, keepdims=True)
        x *= tf.math.rsqrt(variance + self.epsilon)
        return tf.cast(x * self.gamma + self.beta, self.compute_dtype)


@keras.saving.register_keras_serializable("serkit")
class PositionwiseDense(layers.Dense):
    """A dense layer for each position, as one matrix product of all positions.

    Gives the outputs of :class:`keras.layers.Dense` with the same arguments. With a matrix in place
    of three dimensions, TensorFlow on a CPU adds the bias and applies the activation in the same
    kernel as the product.

    Inputs are ``(batch, positions, width)``, outputs ``(batch, positions, units)``.

    Example:
        >>> import tensorflow as tf
        >>> PositionwiseDense(8, "relu")(tf.zeros([2, 5, 3])).shape.as_list()
        [2, 5, 8]
    """

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Return the outputs of all positions."""
        y = super().call(tf.reshape(x, [-1, x.shape[-1]]))
        return tf.reshape(y, [tf.shape(x)[0], tf.shape(x)[1], self.units])


@keras.saving.register_keras_serializable("serkit")
class SelfAttention(keras.layers.Layer):
    """Multi-head self-attention over the positions of each recording.

    Query, key and value are one matrix product, three times as wide: with a batch of one recording
    this is faster than three products.

    Inputs are ``(batch, positions, width)`` and int ``(batch,)``, the number of positions that are
    not padding; outputs are ``(batch, positions, width)``.

    Args:
        width: width of the hidden states, a multiple of ``heads``.
        heads: number of attention heads.
        **kwargs: as for any Keras layer.

    Example:
        >>> import tensorflow as tf
        >>> attention = SelfAttention(width=8, heads=2)
        >>> attention(tf.zeros([2, 5, 8]), tf.constant([5, 3])).shape.as_list()
        [2, 5, 8]

    Source: Vaswani et al. (2017), arXiv:1706.03762, section 3.2.
    """

    def __init__(self, width: int, heads: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width: int = width
        self.heads: int = heads
        self.projection = PositionwiseDense(3 * width, name="projection")
        self.output_projection = PositionwiseDense(width, name="output_projection")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights."""
        self.projection.build((*input_shape[:-1], self.width))
        self.output_projection.build((*input_shape[:-1], self.width))

    def call(self, x: tf.Tensor, position_count: tf.Tensor) -> tf.Tensor:
        """Return the attended values of each position."""
        batch, positions = tf.shape(x)[0], tf.shape(x)[1]
        head_width = self.width // self.heads
        projected = tf.reshape(self.projection(x), [batch, positions, 3, self.heads, head_width])
        query, key, value = tf.unstack(tf.transpose(projected, [2, 0, 3, 1, 4]))
        is_padding = 1.0 - tf.sequence_mask(position_count, positions, x.dtype)
        penalty = is_padding[:, tf.newaxis, tf.newaxis] * x.dtype.min
        scores = tf.matmul(query, key, transpose_b=True) * head_width**-0.5 + penalty
        attended = tf.transpose(tf.matmul(tf.nn.softmax(scores), value), [0, 2, 1, 3])
        return self.output_projection(tf.reshape(attended, [batch, positions, self.width]))

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...], *_: Any
    ) -> tuple[int | None, ...]:
        """Return the shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer as JSON values."""
        return {**super().get_config(), "width": self.width, "heads": self.heads}
