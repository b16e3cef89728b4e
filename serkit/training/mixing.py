"""Mixup of training batches."""

import tensorflow as tf

from serkit.audio.mixing import mixup


def mixed(
    batches: tf.data.Dataset, classes: int, alpha: float, seed: int, first_step: int = 0
) -> tf.data.Dataset:
    """Mix the examples of each batch with one another; see :func:`serkit.audio.mixing.mixup`.

    Args:
        batches: of examples ``(batch, …)`` and class numbers ``(batch,)``, from a given step on.
        classes: how many there are.
        alpha: of mixup, above 0.
        seed: with a batch's step, of its mixing: a resumed training mixes as one that went on.
        first_step: the step of the first batch.

    Returns:
        A dataset of mixed examples and shares of the classes, float32 ``(batch, classes)``.

    Source: Zhang et al. (2018), arXiv:1710.09412; of a network's features: Verma et al. (2019),
    Manifold Mixup, arXiv:1806.05236.
    """

    def mix(step: tf.Tensor, batch: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        examples, labels = batch
        own_seed = tf.stack([tf.constant(seed, tf.int64), tf.constant(-(2**62), tf.int64) + step])
        return mixup(examples, tf.one_hot(labels, classes), own_seed, alpha)

    pairs = batches.enumerate(first_step)
    return pairs.map(mix, tf.data.AUTOTUNE).prefetch(2)
