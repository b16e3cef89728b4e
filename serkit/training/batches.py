"""Endless shuffled batches whose order depends on the seed and the step alone."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from serkit.errors import InputError, check_range


def training_batches(
    arrays: tuple[np.ndarray, ...],
    batch_size: int,
    seed: int,
    *,
    first_step: int = 0,
    augment: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | None = None,
) -> tf.data.Dataset:
    """Batches for ``fit`` with ``steps_per_epoch``; a resumed run gets those it would have got.

    Every example comes once in each pass over the data; passes follow one another without a gap,
    so a batch may be larger than the data. tf.data's own ``shuffle`` keeps its order in
    memory, which a killed process takes with it.

    Args:
        arrays: of equal length, such as ``(spectrograms,)`` or ``(spectrograms, labels)``.
        batch_size: examples per batch.
        seed: of the shuffling and the augmentation.
        first_step: number of batches to leave out, those of a run that went before.
        augment: gets the batch of the first array and an int ``(2,)`` seed of its own.

    Returns:
        An endless dataset of tuples of tensors ``(batch_size, …)``.

    Raises:
        InputError: if an array is empty or their lengths differ.
    """
    lengths = {len(array) for array in arrays}
    if len(lengths) != 1 or 0 in lengths:
        raise InputError(f"arrays of length {sorted(lengths)}; valid are equal lengths above 0")
    check_range("batch_size", batch_size, 1)
    count = lengths.pop()
    tensors = tuple(tf.constant(np.asarray(array)) for array in arrays)
    first_pass, skipped = divmod(first_step * batch_size, count)

    def indices(number: tf.Tensor) -> tf.data.Dataset:
        order = tf.random.experimental.stateless_shuffle(
            tf.range(count), seed=tf.stack([tf.constant(seed, tf.int64), number])
        )
        return tf.data.Dataset.from_tensor_slices(order)

    def batch(step: tf.Tensor, chosen: tf.Tensor) -> tuple[tf.Tensor, ...]:
        examples = tuple(tf.gather(tensor, chosen) for tensor in tensors)
        if augment is None:
            return examples
        own_seed = tf.stack([tf.constant(seed, tf.int64), -1 - step])
        return augment(examples[0], own_seed), *examples[1:]

    passes = tf.data.Dataset.range(first_pass, np.iinfo(np.int64).max)
    chosen = passes.flat_map(indices).skip(skipped).batch(batch_size, drop_remainder=True)
    return chosen.enumerate(first_step).map(batch, tf.data.AUTOTUNE).prefetch(2)
