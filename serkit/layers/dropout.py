"""Monte Carlo dropout, and the layers that a model consists of."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras
import tensorflow as tf


def layers_of(layer: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
    """Yield a layer or model and all its inner layers, at any depth."""
    yield layer
    for part in getattr(layer, "layers", ()):
        yield from layers_of(part)


@keras.saving.register_keras_serializable("serkit")
class MonteCarloDropout(keras.layers.Dropout):
    """``keras.layers.Dropout`` that drops units in prediction as in training.

    The arguments are those of ``keras.layers.Dropout``. Inputs and outputs are ``(batch, …)`` of
    the same shape. Kept units are divided by the fraction of units that is kept.

    Source: Gal & Ghahramani (2016), arXiv:1506.02142.
    """

    _drawn, _drops = None, True

    def call(self, inputs, training=None):
        if self._drawn is None:
            return super().call(inputs, training=self._drops)
        sides = self.noise_shape or (None,) * len(inputs.shape)
        given = zip(sides[1:], inputs.shape[1:], strict=True)
        shape = (1, *(own if own is not None else side for own, side in given))
        kept = tf.random.stateless_uniform(shape, self._drawn) >= self.rate
        return inputs * tf.cast(kept, inputs.dtype) / (1.0 - self.rate)

    @contextmanager
    def drawing(self, seed) -> Iterator[None]:
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
