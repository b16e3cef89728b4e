"""Mixup: training on weighted means of two examples and of their labels."""

import tensorflow as tf

from serkit.errors import InputError, check_range


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
