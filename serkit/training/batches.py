"""Training batches in an order that depends on seed and step alone, and mixup."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from serkit.errors import InputError, check_range
from serkit.training.live import LiveSpectrograms, looked_up
from serkit.training.shards import Rows


def mixup(
    examples: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor, alpha: float
) -> tuple[tf.Tensor, tf.Tensor]:
    """Mix each example of a batch with another one, and their labels in the same proportion.

    Row ``i`` becomes ``c[i] * row i + (1 - c[i]) * row p[i]``, with a random permutation ``p`` of
    the batch and a coefficient ``c[i]`` per row. The permutation may map a row to itself. Both
    depend only on the seed and the position in the batch.

    Args:
        examples: float32 or bfloat16 ``(batch, …)``, such as spectrograms or waveforms.
        labels: one-hot or soft labels that add up to 1, floating ``(batch, classes)``.
        seed: int ``(2,)``; equal seeds give equal results.
        alpha: of the coefficients' Beta(alpha, alpha) distribution. 0 mixes nothing and 1 is
            uniform. The larger alpha, the closer are the coefficients to 0.5. The paper uses 0.1 to
            0.4 for images.

    Returns:
        Mixed examples and labels, of the given shapes and dtypes; the given tensors if ``alpha`` is
        0.

    Raises:
        InputError: if ``alpha`` is below 0, or examples or labels are not floating.

    Source: Zhang et al. (2018), mixup: Beyond Empirical Risk Minimization, arXiv:1710.09412.
    """
    check_range("alpha", alpha, 0.0, 1e6)
    examples, labels = tf.convert_to_tensor(examples), tf.convert_to_tensor(labels)
    for name, given in (("examples", examples), ("labels", labels)):
        if not given.dtype.is_floating:
            raise InputError(f"`{name}` must be floating point. Received: {given.dtype.name}.")
    if not alpha:
        return examples, labels
    seeds = tf.random.split(seed, 2)
    batch = tf.shape(examples)[0]
    partner = tf.random.experimental.stateless_shuffle(  # pyright: ignore[reportAttributeAccessIssue]
        tf.range(batch), seeds[0]
    )
    coefficient = mixing_coefficients(batch, seeds[1], alpha)
    return _mix(examples, partner, coefficient), _mix(labels, partner, coefficient)


def mixing_coefficients(count: tf.Tensor, seed: tf.Tensor, alpha: float) -> tf.Tensor:
    """Draw from Beta(alpha, alpha), as the ratio of one of two gamma variables to their sum.

    Args:
        count: number of draws.
        seed: int ``(2,)``; equal seeds give equal results.
        alpha: above 0.

    Returns:
        float32 ``(count,)`` in [0, 1].

    Source: Devroye (1986), Non-Uniform Random Variate Generation, section IX.4.1. Gamma variables
    of small shape: Marsaglia & Tsang (2000), section 6, in logarithms, because they would
    underflow.
    """
    seeds = tf.random.split(seed, 2)
    shape = tf.stack([2, count])
    gammas = tf.random.stateless_gamma(shape, seeds[0], tf.constant(alpha + 1.0))
    # In (0, 1], for the logarithm.
    uniforms = 1.0 - tf.random.stateless_uniform(shape, seeds[1])
    logarithms = tf.math.log(gammas) + tf.math.log(uniforms) / alpha
    return tf.sigmoid(logarithms[0] - logarithms[1])


def _mix(values: tf.Tensor, partner: tf.Tensor, coefficient: tf.Tensor) -> tf.Tensor:
    # In float32 for every dtype: half-precision coefficients would not add up to 1.
    wide = tf.cast(values, tf.float32)
    ones = tf.ones(tf.rank(values) - 1, tf.int32)
    weight = tf.reshape(coefficient, tf.concat([[-1], ones], axis=0))
    mixed = weight * wide + (1.0 - weight) * tf.gather(wide, partner)
    return tf.cast(tf.ensure_shape(mixed, values.shape), values.dtype)


def mixed(
    batches: "tf.data.Dataset[tuple[tf.Tensor, ...]]",
    classes: int,
    alpha: float,
    seed: int,
    first_step: int = 0,
) -> "tf.data.Dataset[tuple[tf.Tensor, ...]]":
    """Mix the examples within each batch; see :func:`mixup`.

    Args:
        batches: of examples ``(batch, …)`` and class numbers ``(batch,)``, from ``first_step`` on.
        classes: number of classes.
        alpha: of mixup, above 0.
        seed: of the mixing. Seed and step decide how a batch is mixed, so that a resumed training
            run mixes as an uninterrupted one.
        first_step: the step of the first batch.

    Returns:
        A dataset of mixed examples and soft labels, float32 ``(batch, classes)``.

    Source: Zhang et al. (2018), arXiv:1710.09412; for a network's features: Verma et al. (2019),
    Manifold Mixup, arXiv:1806.05236.
    """

    def mix(step: tf.Tensor, batch: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        examples, labels = batch
        own_seed = tf.stack([tf.constant(seed, tf.int64), tf.constant(-(2**62), tf.int64) + step])
        return mixup(examples, tf.one_hot(labels, classes), own_seed, alpha)

    pairs = batches.enumerate(first_step)
    return pairs.map(mix, tf.data.AUTOTUNE).prefetch(2)


Source = npt.NDArray[Any] | Rows | LiveSpectrograms


def training_batches(
    arrays: tuple[Source, ...],
    batch_size: int,
    seed: int,
    *,
    first_step: int = 0,
    augment: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | None = None,
) -> "tf.data.Dataset[tuple[tf.Tensor, ...]]":
    """Return endless batches for ``fit`` with ``steps_per_epoch``, from any step on.

    Each pass over the data has every example once. Passes follow one another without a gap, so a
    batch may be larger than the data. The batches depend only on seed and step, so a resumed run
    gets the same ones as an uninterrupted run. (tf.data's own ``shuffle`` keeps its order in
    memory, where it is lost if the process is killed.)

    Args:
        arrays: of equal length, such as ``(spectrograms,)`` or ``(spectrograms, labels)``. Of rows
            on disk, only those of a batch are read. Live spectrograms are computed for each batch,
            see :class:`serkit.training.live.LiveSpectrograms`.
        batch_size: examples per batch.
        seed: of the shuffling and the augmentation.
        first_step: number of batches to skip, namely those of an earlier run.
        augment: function of the batch of the first array and an int ``(2,)`` seed of this batch.

    Returns:
        An endless dataset of tuples of tensors ``(batch_size, …)``.

    Raises:
        InputError: if an array is empty, lengths differ, or ``batch_size`` is below 1.
    """
    count = _length(arrays, batch_size)
    take = _taker(arrays)
    first_pass, skipped = divmod(first_step * batch_size, count)

    def indices(number: tf.Tensor) -> "tf.data.Dataset[tf.Tensor]":
        order = tf.random.experimental.stateless_shuffle(  # pyright: ignore[reportAttributeAccessIssue]
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
    # Use as many threads per operation as outside tf.data, which would use one. On processors where
    # TensorFlow multiplies matrices with Eigen, the last bits of sums depend on that number.
    options.threading.max_intra_op_parallelism = 0
    return batches.with_options(options)


def batches_in_order(
    arrays: tuple[Source, ...], batch_size: int
) -> "tf.data.Dataset[tuple[tf.Tensor, ...]]":
    """Return all examples once, in order, for ``evaluate``, ``predict`` and validation in ``fit``.

    Args:
        arrays: as for :func:`training_batches`; of live spectrograms, the precomputed ones are
            used.
        batch_size: examples per batch; the last one may have fewer.

    Returns:
        A dataset of tuples of tensors ``(batch_size or fewer, …)``.

    Raises:
        InputError: if an array is empty, lengths differ, or ``batch_size`` is below 1.
    """
    count = _length(arrays, batch_size)
    chosen = tf.data.Dataset.range(count).batch(batch_size)
    take = _taker(
        tuple(each.kept if isinstance(each, LiveSpectrograms) else each for each in arrays)
    )
    # No array is live, so the seed is not used.
    return chosen.map(lambda rows: take(rows, tf.zeros(2, tf.int64)), tf.data.AUTOTUNE).prefetch(2)


def _length(arrays: tuple[Source, ...], batch_size: int) -> int:
    lengths = {len(array) for array in arrays}
    if len(lengths) != 1 or 0 in lengths:
        raise InputError(
            f"`arrays` must have equal lengths above 0. Received: lengths {sorted(lengths)}."
        )
    check_range("batch_size", batch_size, 1)
    return lengths.pop()


def _taker(
    arrays: tuple[Source, ...],
) -> Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, ...]]:
    """Return a function from indices ``(batch,)`` and a seed to these examples of each array."""
    sources = [
        array if isinstance(array, Rows | LiveSpectrograms) else tf.constant(np.asarray(array))
        for array in arrays
    ]

    def take(source: Any, chosen: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        if isinstance(source, LiveSpectrograms):
            return source.batch(chosen, seed)
        if isinstance(source, Rows):
            return looked_up(source.__getitem__, chosen, source.shape[1:])
        return tf.gather(source, chosen)

    return lambda chosen, seed: tuple(take(source, chosen, seed) for source in sources)
