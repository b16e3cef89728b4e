"""Training batches in an order that depends on seed and step alone, and mixup."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from serkit.errors import InputError, check_range
from serkit.training.live import LiveSpectrograms, looked_up
from serkit.training.shards import Rows


def mixup(
    examples: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor, alpha: float
) -> tuple[tf.Tensor, tf.Tensor]:
    """Mix every example of a batch with another one, and their labels in the same proportion.

    Row ``i`` becomes ``c[i] * row i + (1 - c[i]) * row p[i]`` with a random permutation ``p`` of
    the batch, which may leave a row with itself, and a coefficient per row. Both depend on the seed
    and on the place in the batch.

    Args:
        examples: float32 or bfloat16 ``(batch, …)``, such as spectrograms or waveforms.
        labels: one-hot or other shares that add up to 1, floating ``(batch, classes)``.
        seed: int ``(2,)``; equal seeds give equal results.
        alpha: of the coefficients' Beta(alpha, alpha); 0 mixes nothing, 1 is uniform, and the
            larger, the nearer to one half. The paper takes 0.1 to 0.4 for pictures.

    Returns:
        Mixed examples and labels, of the shapes and types that came; what came if ``alpha`` is 0.

    Raises:
        InputError: if ``alpha`` is below 0, or examples or labels are not floating.

    Source: Zhang et al. (2018), mixup: Beyond Empirical Risk Minimization, arXiv:1710.09412.
    """
    check_range("alpha", alpha, 0.0, 1e6)
    examples, labels = tf.convert_to_tensor(examples), tf.convert_to_tensor(labels)
    for name, given in (("examples", examples), ("labels", labels)):
        if not given.dtype.is_floating:
            raise InputError(f"{name} of type {given.dtype.name} is not valid; valid is floating")
    if not alpha:
        return examples, labels
    seeds = tf.random.experimental.stateless_split(seed, 2)
    batch = tf.shape(examples)[0]
    partner = tf.random.experimental.stateless_shuffle(tf.range(batch), seeds[0])
    coefficient = mixing_coefficients(batch, seeds[1], alpha)
    return _mix(examples, partner, coefficient), _mix(labels, partner, coefficient)


def mixing_coefficients(count: tf.Tensor, seed: tf.Tensor, alpha: float) -> tf.Tensor:
    """Draws from Beta(alpha, alpha), as the share of one of two gamma variables in their sum.

    Args:
        count: number of draws.
        seed: int ``(2,)``; equal seeds give equal results.
        alpha: above 0.

    Returns:
        float32 ``(count,)`` in [0, 1].

    Source: Devroye (1986), Non-Uniform Random Variate Generation, section IX.4.1; gammas of a
    small shape by Marsaglia & Tsang (2000), section 6, in logarithms, because they would vanish.
    """
    seeds = tf.random.experimental.stateless_split(seed, 2)
    gammas = tf.random.stateless_gamma([2, count], seeds[0], alpha + 1.0)
    # From 0 exclusively to 1 inclusively, for the logarithm.
    uniforms = 1.0 - tf.random.stateless_uniform([2, count], seeds[1])
    logarithms = tf.math.log(gammas) + tf.math.log(uniforms) / alpha
    return tf.sigmoid(logarithms[0] - logarithms[1])


def _mix(values: tf.Tensor, partner: tf.Tensor, coefficient: tf.Tensor) -> tf.Tensor:
    # In float32 whatever came: half-precision coefficients would not add up to 1.
    wide = tf.cast(values, tf.float32)
    ones = tf.ones(tf.rank(values) - 1, tf.int32)
    share = tf.reshape(coefficient, tf.concat([[-1], ones], axis=0))
    mixed = share * wide + (1.0 - share) * tf.gather(wide, partner)
    return tf.cast(tf.ensure_shape(mixed, values.shape), values.dtype)


def mixed(
    batches: tf.data.Dataset, classes: int, alpha: float, seed: int, first_step: int = 0
) -> tf.data.Dataset:
    """Mix the examples of each batch with one another; see :func:`mixup`.

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
