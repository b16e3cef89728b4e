"""GAN losses: logits or scores in, a scalar out."""

from collections.abc import Callable

import tensorflow as tf


def discriminator_loss(
    real_logits: tf.Tensor, fake_logits: tf.Tensor, smoothing: float = 0.0
) -> tf.Tensor:
    """Binary cross entropy of calling real ones 1 and generated ones 0.

    Args:
        real_logits: any shape, for real examples.
        fake_logits: any shape, for generated ones.
        smoothing: what is taken from the label of real ones; generated ones keep theirs, or the
            discriminator would favour what the generator already makes.

    Returns:
        float32 scalar: mean over the real plus mean over the generated ones, 2 ln 2 = 1.386 for a
        discriminator that does not know; the scale of the 2021 report's figure 16.

    Source: Goodfellow et al. (2014); report, section 4.1.1; one-sided label smoothing: Salimans et
    al. (2016), arXiv:1606.03498, section 3.4.
    """
    return _cross_entropy(1.0 - smoothing, real_logits) + _cross_entropy(0.0, fake_logits)


def generator_loss(fake_logits: tf.Tensor) -> tf.Tensor:
    """Binary cross entropy of having generated ones called 1 (the non-saturating loss).

    Args:
        fake_logits: any shape, for generated examples.

    Returns:
        float32 scalar, ln 2 = 0.693 for a discriminator that does not know.

    Source: Goodfellow et al. (2014); report, section 4.1.2.
    """
    return _cross_entropy(1.0, fake_logits)


def discriminator_accuracy(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
    """Fraction of real and of generated examples that the discriminator tells right.

    Args:
        real_logits: any shape, for real examples.
        fake_logits: any shape, for generated ones.

    Returns:
        float32 scalar, 0 to 1: mean of the two fractions; a logit of 0 counts as generated.

    Source: 2021 report, section 4.1.3.
    """
    return (_mean(real_logits > 0) + _mean(fake_logits <= 0)) / 2


def wasserstein_critic_loss(real_scores: tf.Tensor, fake_scores: tf.Tensor) -> tf.Tensor:
    """How far the critic is from telling real from generated ones apart.

    Args:
        real_scores: any shape, of real examples.
        fake_scores: any shape, of generated ones.

    Returns:
        float32 scalar, mean of the generated minus mean of the real ones. Its negative estimates
        the distance of the two distributions, for a critic whose slope is 1 at most.

    Source: Arjovsky et al. (2017), arXiv:1701.07875; report, section 8.1.
    """
    return _mean(fake_scores) - _mean(real_scores)


def wasserstein_generator_loss(fake_scores: tf.Tensor) -> tf.Tensor:
    """The negative mean score of generated examples, a float32 scalar.

    Args:
        fake_scores: any shape.

    Source: Arjovsky et al. (2017), arXiv:1701.07875.
    """
    return -_mean(fake_scores)


def gradient_penalty(
    critic: Callable[[tf.Tensor], tf.Tensor],
    real: tf.Tensor,
    fake: tf.Tensor,
    shares: tf.Tensor,
) -> tf.Tensor:
    """How far the critic's slope is from 1, between real and generated examples.

    Args:
        critic: gives a score for each example, by that example alone (no batch normalisation).
        real: ``(batch, …)``.
        fake: as many generated examples, of the same shape.
        shares: float32 ``(batch,)`` in [0, 1]: how much of the real example is in the point in
            between at which the slope is taken, one for each pair.

    Returns:
        float32 scalar: mean over the pairs of (norm of the gradient - 1) squared, without weight.

    Source: Gulrajani et al. (2017), arXiv:1704.00028, equation 3.
    """
    real, fake = tf.cast(real, tf.float32), tf.cast(fake, tf.float32)
    shares = tf.reshape(shares, [-1, *[1] * (len(real.shape) - 1)])
    between = fake + shares * (real - fake)
    with tf.GradientTape() as tape:
        tape.watch(between)
        scores = critic(between)
    gradients = tf.reshape(tape.gradient(scores, between), [tf.shape(between)[0], -1])
    # The root's own slope at 0 is infinite; a critic that is flat there would end in NaN.
    norms = tf.sqrt(tf.reduce_sum(tf.square(gradients), axis=1) + 1e-12)
    return tf.reduce_mean(tf.square(norms - 1.0))


def _mean(scores: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.cast(scores, tf.float32))


def _cross_entropy(label: float, logits: tf.Tensor) -> tf.Tensor:
    logits = tf.cast(logits, tf.float32)
    labels = tf.fill(tf.shape(logits), label)
    losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
    return tf.reduce_mean(losses)
