"""Endless shuffled batches whose order depends on the seed and the step alone; or all in order."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from serkit.caching.rows import Rows
from serkit.errors import InputError, check_range
from serkit.training.live import LiveSpectrograms, looked_up

Source = np.ndarray | Rows | LiveSpectrograms


def training_batches(
    arrays: tuple[Source, ...],
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
            stay on disk but for those of a batch; live spectrograms are computed for each batch,
            see :class:`serkit.training.live.LiveSpectrograms`.
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
        own_seed = tf.stack([tf.constant(seed, tf.int64), -1 - step])
        examples = take(chosen, own_seed)
        if augment is None:
            return examples
        return augment(examples[0], own_seed), *examples[1:]

    passes = tf.data.Dataset.range(first_pass, np.iinfo(np.int64).max)
    chosen = passes.flat_map(indices).skip(skipped).batch(batch_size, drop_remainder=True)
    batches = chosen.enumerate(first_step).map(batch, tf.data.AUTOTUNE).prefetch(2)
    if not any(isinstance(array, LiveSpectrograms) for array in arrays):
        return batches
    options = tf.data.Options()
    # As many threads for an operation as elsewhere, where tf.data would give it one: on processors
    # where TensorFlow multiplies matrices by Eigen, the last bits of sums depend on that number.
    options.threading.max_intra_op_parallelism = 0
    return batches.with_options(options)


def batches_in_order(arrays: tuple[Source, ...], batch_size: int) -> tf.data.Dataset:
    """All examples once, as ``evaluate``, ``predict`` and ``fit``'s validation take them.

    Args:
        arrays: as for :func:`training_batches`; of live spectrograms those that are kept.
        batch_size: examples per batch; the last one may have fewer.

    Returns:
        A dataset of tuples of tensors ``(batch_size or fewer, …)``.

    Raises:
        InputError: as :func:`training_batches`.
    """
    count = _length(arrays, batch_size)
    chosen = tf.data.Dataset.range(count).batch(batch_size)
    take = _taker(
        tuple(each.kept if isinstance(each, LiveSpectrograms) else each for each in arrays)
    )
    return chosen.map(lambda rows: take(rows, None), tf.data.AUTOTUNE).prefetch(2)


def _length(arrays: tuple[Source, ...], batch_size: int) -> int:
    lengths = {len(array) for array in arrays}
    if len(lengths) != 1 or 0 in lengths:
        raise InputError(f"arrays of length {sorted(lengths)}; valid are equal lengths above 0")
    check_range("batch_size", batch_size, 1)
    return lengths.pop()


def _taker(
    arrays: tuple[Source, ...],
) -> Callable[[tf.Tensor, tf.Tensor | None], tuple[tf.Tensor, ...]]:
    """From indices ``(batch,)`` and a seed to these examples of each array."""
    sources = [
        array if isinstance(array, Rows | LiveSpectrograms) else tf.constant(np.asarray(array))
        for array in arrays
    ]

    def take(source: Any, chosen: tf.Tensor, seed: tf.Tensor | None) -> tf.Tensor:
        if isinstance(source, LiveSpectrograms):
            return source.batch(chosen, seed)
        if isinstance(source, Rows):
            return looked_up(source.__getitem__, chosen, source.shape[1:])
        return tf.gather(source, chosen)

    return lambda chosen, seed: tuple(take(source, chosen, seed) for source in sources)
