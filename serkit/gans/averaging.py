"""A network whose weights are the moving average of another one's."""

import keras
import tensorflow as tf


class Averaged:
    """A copy of a network that follows it slowly: steps of a GAN go back and forth, means do not.

    Batch norm's moving statistics are averaged like weights.

    Args:
        source: a functional model.
        decay: share of the old average that stays at each update, 0 to below 1. After ``t``
            updates it is at most ``(1 + t) / (10 + t)``, so that the average does not hold on to
            the initial weights.

    Attributes:
        network: the average, a model like ``source``.

    Source: Yazici et al. (2019), arXiv:1806.04498; the warm-up as in
    ``tf.train.ExponentialMovingAverage``.
    """

    def __init__(self, source: keras.Model, decay: float) -> None:
        self.network = keras.models.clone_model(source)
        self._pairs = list(zip(self.network.variables, source.variables, strict=True))
        self._decay = decay
        for average, value in self._pairs:
            average.assign(value)

    def update(self, step: tf.Tensor) -> None:
        """Move the average towards the network as it is after ``step`` updates, 1 or more."""
        step = tf.cast(step, tf.float32)
        decay = tf.minimum(self._decay, (1.0 + step) / (10.0 + step))
        for average, value in self._pairs:
            average.assign(value + decay * (average - value))
