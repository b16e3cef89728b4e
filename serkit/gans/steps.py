"""Split batches, derive seeds and apply gradients in a GAN's training step."""

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
    spectrogram_batches = tf.split(spectrograms, count)
    if labels is None:
        return [(batch, None) for batch in spectrogram_batches]
    label_batches = tf.split(tf.cast(labels, tf.int32), count)
    return list(zip(spectrogram_batches, label_batches, strict=True))


def step_seeds(seed: tf.Tensor, count: int) -> list[tf.Tensor]:
    """Derive ``count`` seeds from one seed; the first seeds do not depend on ``count``."""
    return [tf.convert_to_tensor(tf.random.fold_in(seed, index)) for index in range(count)]


def apply_gradients(
    tape: tf.GradientTape,
    loss: tf.Tensor,
    network: keras.Model,
    optimizer: keras.optimizers.Optimizer,
) -> None:
    """Apply one optimizer step to a network's trainable variables.

    Under a strategy, the optimizer adds up the gradients of all replicas. This function divides
    each replica's gradient by the number of replicas, so that the sum is the mean.
    """
    variables = network.trainable_variables
    replica_count = tf.distribute.get_strategy().num_replicas_in_sync
    gradients = tape.gradient(loss, variables)
    if replica_count > 1:
        gradients = [gradient / replica_count for gradient in gradients]
    optimizer.apply_gradients(zip(gradients, variables, strict=True))
