"""Parts of a GAN's training step: batches and seeds of its steps, gradients."""

import keras
import tensorflow as tf

from serkit.errors import InputError

Batch = tf.Tensor | tuple[tf.Tensor, ...]
"""What ``fit`` passes to ``train_step``: spectrograms, or a tuple that begins with them."""


def split_batch(data: Batch, count: int) -> list[tuple[tf.Tensor, tf.Tensor | None]]:
    """Split the batch that ``fit`` passes to ``train_step`` into batches of ``count`` steps.

    Args:
        data: spectrograms ``(batch, …)``, a tuple with spectrograms, or a tuple of spectrograms and
            class numbers.
        count: number of steps.

    Returns:
        For each step, its spectrograms, and its int32 class numbers or None.

    Raises:
        InputError: if the batch size is known and not a multiple of ``count``.
    """
    spectrograms, labels, _ = keras.utils.unpack_x_y_sample_weight(data)
    size = spectrograms.shape[0]
    if size is not None and size % count:
        raise InputError(
            f"The number of examples in a step must be a multiple of {count}. Received: {size}."
        )
    if labels is None:
        return [(part, None) for part in tf.split(spectrograms, count)]
    parts = tf.split(tf.cast(labels, tf.int32), count)
    return list(zip(tf.split(spectrograms, count), parts, strict=True))


def step_seeds(seed: tf.Tensor, count: int) -> list[tf.Tensor]:
    """Derive ``count`` seeds from one seed; the first seeds do not depend on ``count``."""
    seeds = (tf.random.fold_in(seed, number) for number in range(count))
    return [tf.convert_to_tensor(seed) for seed in seeds]


def apply_gradients(
    tape: tf.GradientTape,
    loss: tf.Tensor,
    network: keras.Model,
    optimizer: keras.optimizers.Optimizer,
) -> None:
    """Apply one optimizer step to a network's trainable variables.

    Under a strategy, the gradients of all replicas are added up. So each replica's gradient is
    divided by the number of replicas, which gives their mean.
    """
    variables = network.trainable_variables
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    gradients = tape.gradient(loss, variables)
    if replicas > 1:
        gradients = [gradient / replicas for gradient in gradients]
    optimizer.apply_gradients(zip(gradients, variables, strict=True))
