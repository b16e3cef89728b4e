"""Monte Carlo dropout, and the layers that a model consists of."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import keras
import tensorflow as tf


def layers_of(layer: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
    """Yield a layer or model and all its inner layers, at any depth."""
    yield layer
    for inner_layer in getattr(layer, "layers", ()):
        yield from layers_of(inner_layer)


@keras.saving.register_keras_serializable("serkit")
class MCDropout(keras.layers.Dropout):
    """Monte Carlo dropout: drops units in inference as in training.

    ``keras.layers.Dropout`` drops units in training only. Called with ``training=True``, it drops
    units in inference too (keras-team/keras issue 10809). But this setting is not saved with the
    model, and a whole model called with ``training=True`` also updates its batch normalisation.
    ``MCDropout`` drops units whenever it is called, also in ``predict``, after loading and in an
    exported model.

    Inputs are ``(batch, …)`` of any float dtype and range. Outputs have the same shape and dtype:
    dropped units are 0, the others are divided by the fraction of units that is kept.

    Args:
        rate: fraction of the units that is dropped, 0 to 1.
        noise_shape: as for ``keras.layers.Dropout``; ``(None, 1, 1, None)`` drops whole channels.
        seed: seed of the random units; None for a different seed in each process.
        **kwargs: as for any Keras layer.

    Raises:
        ValueError: if ``rate`` is out of range.

    Example:
        >>> import numpy as np
        >>> from serkit.layers import MCDropout
        >>> dropped = MCDropout(0.5, seed=1)(np.ones((8, 100), "float32"), training=False)
        >>> sorted({float(unit) for unit in np.ravel(dropped)})
        [0.0, 2.0]

    Source: Gal & Ghahramani (2016), arXiv:1506.02142.
    """

    # Seed of the units to drop, the same in all examples; None for other units in each example.
    _fixed_seed: tf.Tensor | None = None
    _is_dropping = True

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Return ``inputs`` without the dropped units; ``training`` is ignored."""
        if self._fixed_seed is None:
            return super().call(inputs, training=self._is_dropping)
        # One mask for all examples: its batch size is 1. Other sizes come from `noise_shape`, or
        # from the inputs, where only the batch size may be unknown.
        noise_shape = self.noise_shape or (None,) * len(inputs.shape)
        sizes = zip(noise_shape[1:], inputs.shape[1:], strict=True)
        mask_sizes = [input_size if size is None else size for size, input_size in sizes]
        mask_shape = cast(tuple[int, ...], (1, *mask_sizes))
        is_kept = tf.random.stateless_uniform(mask_shape, self._fixed_seed) >= self.rate
        return inputs * tf.cast(is_kept, inputs.dtype) / (1.0 - self.rate)

    @contextmanager
    def fixed_sample(self, seed: tf.Tensor) -> Iterator[None]:
        """Make all calls inside the ``with`` block drop the same units, in all examples.

        Args:
            seed: int ``(2,)``; the same seed drops the same units in every process.
        """
        self._fixed_seed = seed
        try:
            yield
        finally:
            self._fixed_seed = None

    @contextmanager
    def at_mean(self) -> Iterator[None]:
        """Switch dropout off for calls inside the ``with`` block."""
        self._is_dropping = False
        try:
            yield
        finally:
            self._is_dropping = True
