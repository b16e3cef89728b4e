"""Endless shuffled batches whose order depends on the seed and the step alone; or all in order."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from serkit.caching.rows import Rows
from serkit.errors import InputError, check_range


def training_batches(
    arrays: tuple[np.ndarray | Rows, ...],
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
        arrays: of equal length, such as ``(spectrograms,)`` or ``(spectrograms, labels)``. Rows
            stay on disk but for those of a batch.
        batch_size: examples per batch.
        seed: of the shuffling and the augmentation.
        first_step: number of batches to leave out, those of a run that went before.
        augment: gets the batch of the first array and an int ``(2,)`` seed of its own.

    Returns:
        An endless dataset of tuples of tensors ``(batch_size, …)``.

    Raises:
        InputError: if an array is empty or their lengths differ.
    """
    count = _length(arrays, batch_size)
    take = _taker(arrays)
    first_pass, skipped = divmod(first_step * batch_size, count)

    def indices(number: tf.Tensor) -> tf.data.Dataset:
        order = tf.random.experimental.stateless_shuffle(
            tf.range(count), seed=tf.stack([tf.constant(seed, tf.int64), number])
        )
        return tf.data.Dataset.from_tensor_slices(order)

    def batch(step: tf.Tensor, chosen: tf.Tensor) -> tuple[tf.Tensor, ...]:
        examples = take(chosen)
        if augment is None:
            return examples
        own_seed = tf.stack([tf.constant(seed, tf.int64), -1 - step])
        return augment(examples[0], own_seed), *examples[1:]

    passes = tf.data.Dataset.range(first_pass, np.iinfo(np.int64).max)
    chosen = passes.flat_map(indices).skip(skipped).batch(batch_size, drop_remainder=True)
    return chosen.enumerate(first_step).map(batch, tf.data.AUTOTUNE).prefetch(2)


def batches_in_order(arrays: tuple[np.ndarray | Rows, ...], batch_size: int) -> tf.data.Dataset:
    """All examples once, as ``evaluate``, ``predict`` and ``fit``'s validation take them.

    Args:
        arrays: as for :func:`training_batches`.
        batch_size: examples per batch; the last one may have fewer.

    Returns:
        A dataset of tuples of tensors ``(batch_size or fewer, …)``.

    Raises:
        InputError: as :func:`training_batches`.
    """
    count = _length(arrays, batch_size)
    chosen = tf.data.Dataset.range(count).batch(batch_size)
    return chosen.map(_taker(arrays), tf.data.AUTOTUNE).prefetch(2)


def _length(arrays: tuple[np.ndarray | Rows, ...], batch_size: int) -> int:
    lengths = {len(array) for array in arrays}
    if len(lengths) != 1 or 0 in lengths:
        raise InputError(f"arrays of length {sorted(lengths)}; valid are equal lengths above 0")
    check_range("batch_size", batch_size, 1)
    return lengths.pop()


def _taker(
    arrays: tuple[np.ndarray | Rows, ...],
) -> Callable[[tf.Tensor], tuple[tf.Tensor, ...]]:
    """From indices ``(batch,)`` to these examples of each array."""
    sources = [
        array if isinstance(array, Rows) else tf.constant(np.asarray(array)) for array in arrays
    ]

    def take(source: Rows | tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
        if not isinstance(source, Rows):
            return tf.gather(source, chosen)
        found = tf.numpy_function(source.__getitem__, [chosen], tf.float32, stateful=False)
        return tf.ensure_shape(found, [*chosen.shape, *source.shape[1:]])

    return lambda chosen: tuple(take(source, chosen) for source in sources)
