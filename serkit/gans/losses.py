"""GAN losses: logits or scores in, a scalar out."""

from collections.abc import Callable

import tensorflow as tf


def discriminator_loss(
    real_logits: tf.Tensor, fake_logits: tf.Tensor, *, smoothing: float = 0.0
) -> tf.Tensor:
    """Compute the discriminator's binary cross entropy; labels are 1 (real) and 0 (generated).

    Args:
        real_logits: logits of real examples, any shape.
        fake_logits: logits of generated examples, any shape.
        smoothing: amount subtracted from the label of real examples. The label of generated
            examples is not smoothed, because the discriminator would then favour what the generator
            already generates.

    Returns:
        float32 scalar: mean over the real examples plus mean over the generated examples. It is 2
        ln 2 = 1.386 for a discriminator that always returns probability 0.5. The scale is that of
        figure 16 of the 2021 report.

    Source: Goodfellow et al. (2014); 2021 report, section 4.1.1; one-sided label smoothing:
    Salimans et al. (2016), arXiv:1606.03498, section 3.4.
    """
    return _cross_entropy(1.0 - smoothing, real_logits) + _cross_entropy(0.0, fake_logits)


def generator_loss(fake_logits: tf.Tensor) -> tf.Tensor:
    """Compute the non-saturating generator loss: binary cross entropy with label 1.

    Args:
        fake_logits: logits of generated examples, any shape.

    Returns:
        float32 scalar; ln 2 = 0.693 for a discriminator that always returns probability 0.5.

    Source: Goodfellow et al. (2014); 2021 report, section 4.1.2.
    """
    return _cross_entropy(1.0, fake_logits)


def discriminator_accuracy(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
    """Compute the fraction of examples that the discriminator classifies correctly.

    Args:
        real_logits: logits of real examples, any shape.
        fake_logits: logits of generated examples, any shape.

    Returns:
        float32 scalar, 0 to 1: mean of the fraction of real examples and the fraction of generated
        examples. A logit of 0 counts as "generated".

    Source: 2021 report, section 4.1.3.
    """
    return (_mean(real_logits > 0) + _mean(fake_logits <= 0)) / 2


def wasserstein_critic_loss(real_scores: tf.Tensor, fake_scores: tf.Tensor) -> tf.Tensor:
    """Compute the Wasserstein loss of a critic.

    Args:
        real_scores: scores of real examples, any shape.
        fake_scores: scores of generated examples, any shape.

    Returns:
        float32 scalar: mean score of generated examples minus mean score of real examples. If the
        norm of the critic's gradient is at most 1, the negative loss estimates the distance of the
        two distributions.

    Source: Arjovsky et al. (2017), arXiv:1701.07875; 2021 report, section 8.1.
    """
    return _mean(fake_scores) - _mean(real_scores)


def wasserstein_generator_loss(fake_scores: tf.Tensor) -> tf.Tensor:
    """Compute the negative mean score of generated examples, a float32 scalar.

    Args:
        fake_scores: scores of generated examples, any shape.

    Source: Arjovsky et al. (2017), arXiv:1701.07875.
    """
    return -_mean(fake_scores)


def gradient_penalty(
    critic: Callable[[tf.Tensor], tf.Tensor],
    real: tf.Tensor,
    fake: tf.Tensor,
    weights: tf.Tensor,
) -> tf.Tensor:
    """Compute the gradient penalty of a critic between real and generated examples.

    Args:
        critic: function that returns one score per example. A score must depend on its own example
            only (no batch normalisation).
        real: ``(batch, …)``.
        fake: generated examples, of the same shape as ``real``.
        weights: float32 ``(batch,)`` in [0, 1], one per pair of a real and a generated example. The
            gradient is computed at a point between both; this is the weight of the real example.

    Returns:
        float32 scalar: mean over the pairs of (norm of the gradient - 1) squared, not multiplied by
        the penalty's weight.

    Source: Gulrajani et al. (2017), arXiv:1704.00028, equation 3.
    """
    real, fake = tf.cast(real, tf.float32), tf.cast(fake, tf.float32)
    weights = tf.reshape(weights, [-1, *[1] * (len(real.shape) - 1)])
    interpolated = fake + weights * (real - fake)
    with tf.GradientTape() as tape:
        tape.watch(interpolated)
        scores = critic(interpolated)
    gradients = tf.convert_to_tensor(tape.gradient(scores, interpolated))
    gradients = tf.reshape(gradients, [tf.shape(interpolated)[0], -1])
    # The derivative of the square root is infinite at 0: a gradient of 0 would cause NaN.
    norms = tf.sqrt(tf.reduce_sum(tf.square(gradients), axis=1) + 1e-12)
    return tf.reduce_mean(tf.square(norms - 1.0))


def _mean(scores: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.cast(scores, tf.float32))


def _cross_entropy(label: float, logits: tf.Tensor) -> tf.Tensor:
    logits = tf.cast(logits, tf.float32)
    labels = tf.fill(tf.shape(logits), label)
    losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
    return tf.reduce_mean(losses)
