"""Layers before a network: log-mel spectrograms of waveforms, and SpecAugment."""

from dataclasses import asdict
from typing import Any

import keras
import tensorflow as tf

from serkit.audio.spec_augment import MaskSettings, mask
from serkit.audio.spectrogram import SpectrogramSpec, to_spectrogram
from serkit.errors import InputError


@keras.saving.register_keras_serializable("serkit")
class LogMelSpectrogram(keras.layers.Layer):
    """Log-mel spectrograms of waveforms, in decibels relative to each clip's own maximum.

    A clip's spectrogram is bit-identical alone and in any batch, in ``Dataset.map``, in a model and
    in an exported model. ``keras.layers.MelSpectrogram`` and kapre's layers cut the dynamic range
    relative to the maximum of the whole batch, so that the spectrogram of a clip depends on the
    other clips of its batch.

    Inputs are waveforms ``(batch, spec.samples)`` of any real dtype; a usual range is [-1, 1]. They
    are processed in float32. Waveforms of other lengths have to be cropped or padded first, see
    :func:`serkit.audio.loading.fit_length`. Outputs are ``(batch, frames, bins, 1)`` in [-1, 1], in
    the layer's compute dtype: 1 is the clip's maximum, -1 is ``spec.range_db`` decibels or more
    below it. Frames are in time order, the lowest band comes first. A silent clip is -1 everywhere.
    The layer has no weights.

    Args:
        spec: sample rate in Hz, size, window and bands; default: ``SpectrogramSpec()``, 224 x 224
            points at 16 kHz. ``trim_db`` is not used here. With ``kind="log"`` or ``"linear"`` the
            bands are not mel bands.
        **kwargs: as for any Keras layer.

    Raises:
        InputError: if the waveforms have another length than ``spec.samples``.

    Example:
        >>> import numpy as np
        >>> import serkit
        >>> layer = serkit.layers.LogMelSpectrogram(serkit.SpectrogramSpec(frames=32, bins=40))
        >>> waveforms = np.random.default_rng(0).normal(size=(2, layer.spec.samples))
        >>> spectrograms = layer(waveforms)
        >>> spectrograms.shape.as_list(), float(np.max(spectrograms))
        ([2, 32, 40, 1], 1.0)

    Source: the 2021 report, section 4.3; see :func:`serkit.audio.spectrogram.to_spectrogram`.
    """

    def __init__(self, spec: SpectrogramSpec | dict[str, Any] | None = None, **kwargs: Any) -> None:
        # `autocast=False`, because in mixed precision bfloat16 would round the waveforms.
        super().__init__(autocast=False, **kwargs)
        if isinstance(spec, dict):
            spec = SpectrogramSpec(**spec)
        self.spec: SpectrogramSpec = spec or SpectrogramSpec()

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Check the length of the waveforms."""
        if len(input_shape) != 2 or input_shape[1] not in (None, self.spec.samples):
            raise InputError(
                f"`waveforms` must have shape (batch, {self.spec.samples}) for {self.spec}. "
                f"Received: {tuple(input_shape)}."
            )

    def call(self, waveforms: tf.Tensor) -> tf.Tensor:
        """Return the spectrograms of waveforms."""
        return to_spectrogram(
            tf.cast(waveforms, tf.float32), self.spec, tf.as_dtype(self.compute_dtype)
        )

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return ``(batch, frames, bins, 1)``."""
        return (input_shape[0], *self.spec.shape)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer as JSON values."""
        return {**super().get_config(), "spec": asdict(self.spec)}


@keras.saving.register_keras_serializable("serkit")
class SpecAugment(keras.layers.Layer):
    """SpecAugment: shift each spectrogram in time, then mask an interval of time and of frequency.

    The layer is active in training only. Inputs and outputs are ``(batch, frames, bins, 1)`` in
    [-1, 1]; masked values are -1, the value of silence. Every spectrogram has its own masks. The
    layer has no weights.

    Args:
        time: longest mask along time, as a fraction of the frames, 0 to 1.
        frequency: longest mask along frequency, as a fraction of the bins, 0 to 1.
        shift: largest shift in time to either side, as a fraction of the frames, 0 to 1. Frames
            that leave at one end come in at the other end.
        seed: seed of the masks; None for a different seed in each process. Layers of the same seed
            give the same masks, call by call.
        **kwargs: as for any Keras layer.

    Raises:
        InputError: if a value is out of range.

    Example:
        >>> import numpy as np
        >>> from serkit.layers import SpecAugment
        >>> spectrograms = np.zeros((2, 32, 40, 1), "float32")
        >>> layer = SpecAugment(time=0.5, frequency=0.5, seed=1)
        >>> float(np.min(layer(spectrograms))), float(np.min(layer(spectrograms, training=True)))
        (0.0, -1.0)

    Source: Park et al. (2019), arXiv:1904.08779 (without its time warping).
    """

    def __init__(
        self,
        time: float = 0.1,
        frequency: float = 0.1,
        shift: float = 0.08,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.settings: MaskSettings = MaskSettings(time=time, frequency=frequency, shift=shift)
        self.seed: int | None = seed
        self.noise: keras.random.SeedGenerator = keras.random.SeedGenerator(seed)

    def call(self, spectrograms: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Return masked spectrograms in training, else the spectrograms themselves."""
        if not training:
            return spectrograms
        seed = tf.convert_to_tensor(self.noise.next())
        return mask(tf.convert_to_tensor(spectrograms), seed, self.settings)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the spectrograms."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer as JSON values."""
        return {**super().get_config(), **asdict(self.settings), "seed": self.seed}
