"""Training batches, whose order depends on seed and step alone, and mixup."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from serkit.errors import InputError, check_range
from serkit.training.live import LiveSpectrograms, read_in_graph
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
        alpha: parameter of the coefficients' Beta(alpha, alpha) distribution. 0 mixes nothing and 1
            is uniform. The larger alpha, the closer are the coefficients to 0.5. The paper uses 0.1
            to 0.4 for images.

    Returns:
        Mixed examples and labels, of the same shapes and dtypes as the arguments; the arguments
        themselves if ``alpha`` is 0.

    Raises:
        InputError: if ``alpha`` is below 0, or examples or labels are not floating.

    Source: Zhang et al. (2018), mixup: Beyond Empirical Risk Minimization, arXiv:1710.09412.
    """
    check_range("alpha", alpha, 0.0, 1e6)
    examples, labels = tf.convert_to_tensor(examples), tf.convert_to_tensor(labels)
    for name, tensor in (("examples", examples), ("labels", labels)):
        if not tensor.dtype.is_floating:
            raise InputError(f"`{name}` must be floating point. Received: {tensor.dtype.name}.")
    if not alpha:
        return examples, labels
    seeds = tf.random.split(seed, 2)
    batch_size = tf.shape(examples)[0]
    permutation = tf.random.experimental.stateless_shuffle(  # pyright: ignore[reportAttributeAccessIssue]
        tf.range(batch_size), seeds[0]
    )
    coefficients = mixing_coefficients(batch_size, seeds[1], alpha)
    return _mix(examples, permutation, coefficients), _mix(labels, permutation, coefficients)


def mixing_coefficients(count: tf.Tensor, seed: tf.Tensor, alpha: float) -> tf.Tensor:
    """Draw random numbers from Beta(alpha, alpha).

    Each is the ratio of one of two gamma variables to their sum.

    Args:
        count: number of random numbers.
        seed: int ``(2,)``; equal seeds give equal results.
        alpha: parameter of the distribution, above 0.

    Returns:
        float32 ``(count,)`` in [0, 1].

    Source: Devroye (1986), Non-Uniform Random Variate Generation, section IX.4.1. Gamma variables
    of small shape: Marsaglia & Tsang (2000), section 6. The computation uses logarithms, because
    the variables themselves would underflow.
    """
    seeds = tf.random.split(seed, 2)
    shape = tf.stack([2, count])
    gammas = tf.random.stateless_gamma(shape, seeds[0], tf.constant(alpha + 1.0))
    # stateless_uniform is in [0, 1); the logarithm needs (0, 1].
    uniforms = 1.0 - tf.random.stateless_uniform(shape, seeds[1])
    log_gammas = tf.math.log(gammas) + tf.math.log(uniforms) / alpha
    return tf.sigmoid(log_gammas[0] - log_gammas[1])


def _mix(values: tf.Tensor, permutation: tf.Tensor, coefficients: tf.Tensor) -> tf.Tensor:
    # In float32 for every dtype: half-precision coefficients would not add up to 1.
    values_float32 = tf.cast(values, tf.float32)
    ones = tf.ones(tf.rank(values) - 1, tf.int32)
    coefficients = tf.reshape(coefficients, tf.concat([[-1], ones], axis=0))
    permuted = tf.gather(values_float32, permutation)
    mixed_values = coefficients * values_float32 + (1.0 - coefficients) * permuted
    return tf.cast(tf.ensure_shape(mixed_values, values.shape), values.dtype)


def mix_batches(
    batches: "tf.data.Dataset[tuple[tf.Tensor, ...]]",
    classes: int,
    alpha: float,
    seed: int,
    first_step: int = 0,
) -> "tf.data.Dataset[tuple[tf.Tensor, ...]]":
    """Mix the examples within each batch; see :func:`mixup`.

    Args:
        batches: dataset of examples ``(batch, …)`` and class numbers ``(batch,)``, from
            ``first_step`` on.
        classes: number of classes.
        alpha: as for :func:`mixup`, above 0.
        seed: seed of the mixing. How a batch is mixed depends only on seed and step, so that a
            resumed training run mixes as an uninterrupted one.
        first_step: the step of the first batch.

    Returns:
        A dataset of mixed examples and soft labels, float32 ``(batch, classes)``.

    Source: Zhang et al. (2018), arXiv:1710.09412; for a network's features: Verma et al. (2019),
    Manifold Mixup, arXiv:1806.05236.
    """

    @tf.autograph.experimental.do_not_convert
    def mix(step: tf.Tensor, batch: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        examples, labels = batch
        # ``training_batches`` uses the numbers from -1 down for augmentation.
        step_seed = tf.stack([tf.constant(seed, tf.int64), tf.constant(-(2**62), tf.int64) + step])
        return mixup(examples, tf.one_hot(labels, classes), step_seed, alpha)

    numbered_batches = batches.enumerate(first_step)
    return numbered_batches.map(mix, tf.data.AUTOTUNE).prefetch(2)


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
    gets the same batches as an uninterrupted run. (tf.data's own ``shuffle`` keeps its order in
    memory, where it is lost if the process is killed.)

    Args:
        arrays: arrays of equal length, such as ``(spectrograms,)`` or ``(spectrograms, labels)``.
            Of :class:`~serkit.training.shards.Rows`, only those of a batch are read. Live
            spectrograms are computed for each batch, see
            :class:`serkit.training.live.LiveSpectrograms`.
        batch_size: examples per batch.
        seed: seed of the shuffling and the augmentation.
        first_step: number of batches to skip, because an earlier run used them.
        augment: function of the batch of the first array and an int ``(2,)`` seed of this batch.

    Returns:
        An endless dataset of tuples of tensors ``(batch_size, …)``.

    Raises:
        InputError: if an array is empty, lengths differ, or ``batch_size`` is below 1.
    """
    example_count = _common_length(arrays, batch_size)
    read_batch = _batch_reader(arrays)
    first_pass, examples_to_skip = divmod(first_step * batch_size, example_count)

    @tf.autograph.experimental.do_not_convert
    def shuffled_indices(pass_number: tf.Tensor) -> "tf.data.Dataset[tf.Tensor]":
        indices = tf.random.experimental.stateless_shuffle(  # pyright: ignore[reportAttributeAccessIssue]
            tf.range(example_count), seed=tf.stack([tf.constant(seed, tf.int64), pass_number])
        )
        return tf.data.Dataset.from_tensor_slices(indices)

    @tf.autograph.experimental.do_not_convert
    def make_batch(step: tf.Tensor, indices: tf.Tensor) -> tuple[tf.Tensor, ...]:
        # Below 0, so that it differs from the seeds of all passes.
        step_seed = tf.stack([tf.constant(seed, tf.int64), -1 - step])
        batch = read_batch(indices, step_seed)
        if augment is None:
            return batch
        return augment(batch[0], step_seed), *batch[1:]

    passes = tf.data.Dataset.range(first_pass, np.iinfo(np.int64).max)
    indices = passes.flat_map(shuffled_indices).skip(examples_to_skip)
    indices_of_batches = indices.batch(batch_size, drop_remainder=True).enumerate(first_step)
    batches = indices_of_batches.map(make_batch, tf.data.AUTOTUNE).prefetch(2)
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
        arrays: as for :func:`training_batches`. Live spectrograms give their precomputed
            spectrograms.
        batch_size: examples per batch; the last one may have fewer.

    Returns:
        A dataset of tuples of tensors ``(batch_size or fewer, …)``.

    Raises:
        InputError: if an array is empty, lengths differ, or ``batch_size`` is below 1.
    """
    indices_of_batches = tf.data.Dataset.range(_common_length(arrays, batch_size)).batch(batch_size)
    read_batch = _batch_reader(
        tuple(
            array.precomputed if isinstance(array, LiveSpectrograms) else array for array in arrays
        )
    )

    @tf.autograph.experimental.do_not_convert
    def make_batch(indices: tf.Tensor) -> tuple[tf.Tensor, ...]:
        # No array is live, so the seed is not used.
        return read_batch(indices, tf.zeros(2, tf.int64))

    return indices_of_batches.map(make_batch, tf.data.AUTOTUNE).prefetch(2)


def _common_length(arrays: tuple[Source, ...], batch_size: int) -> int:
    lengths = {len(array) for array in arrays}
    if len(lengths) != 1 or 0 in lengths:
        raise InputError(
            f"`arrays` must have equal lengths above 0. Received: lengths {sorted(lengths)}."
        )
    check_range("batch_size", batch_size, 1)
    return lengths.pop()


def _batch_reader(
    arrays: tuple[Source, ...],
) -> Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, ...]]:
    """Return a function from indices ``(batch,)`` and a seed to these examples of each array."""
    sources = [
        array if isinstance(array, Rows | LiveSpectrograms) else tf.constant(np.asarray(array))
        for array in arrays
    ]

    def read(source: Any, indices: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        if isinstance(source, LiveSpectrograms):
            return source.batch(indices, seed)
        if isinstance(source, Rows):
            return read_in_graph(source.__getitem__, indices, source.shape[1:])
        return tf.gather(source, indices)

    return lambda indices, seed: tuple(read(source, indices, seed) for source in sources)
