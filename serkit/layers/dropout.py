"""Monte Carlo dropout, and the layers that a model consists of."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import keras
import tensorflow as tf


def layers_of(layer: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
    """Yield a layer or model and all its inner layers, at any depth."""
    yield layer
    for part in getattr(layer, "layers", ()):
        yield from layers_of(part)


@keras.saving.register_keras_serializable("serkit")
class MCDropout(keras.layers.Dropout):
    """Monte Carlo dropout: drops units in inference as in training.

    ``keras.layers.Dropout`` drops units in training only. Calling it, or a whole model, with
    ``training=True`` to drop them in inference too (keras-team/keras issue 10809) is not saved with
    the model, or trains batch normalisation as well. This layer drops units whenever it is called,
    also in ``predict``, after loading and in an exported model.

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

    _drawn, _drops = None, True

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Return ``inputs`` without the dropped units; ``training`` makes no difference."""
        if self._drawn is None:
            return super().call(inputs, training=self._drops)
        sides = self.noise_shape or (None,) * len(inputs.shape)
        given = zip(sides[1:], inputs.shape[1:], strict=True)
        shape = (1, *(own if own is not None else side for own, side in given))
        # Only the size of the batch, which is 1 here, may be unknown.
        kept = tf.random.stateless_uniform(cast(tuple[int, ...], shape), self._drawn) >= self.rate
        return inputs * tf.cast(kept, inputs.dtype) / (1.0 - self.rate)

    @contextmanager
    def drawing(self, seed: tf.Tensor) -> Iterator[None]:
        """Make all calls inside the ``with`` block drop the same units, in all examples.

        Args:
            seed: int ``(2,)``; the same seed drops the same units in every process.
        """
        self._drawn = seed
        try:
            yield
        finally:
            self._drawn = None

    @contextmanager
    def at_mean(self) -> Iterator[None]:
        """Switch dropout off for calls inside the ``with`` block."""
        self._drops = False
        try:
            yield
        finally:
            self._drops = True
