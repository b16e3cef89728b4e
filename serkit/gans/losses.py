"""GAN losses: logits in, a scalar out."""

import tensorflow as tf


def discriminator_loss(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
    """Binary cross entropy of calling real ones 1 and generated ones 0.

    Args:
        real_logits: any shape, for real examples.
        fake_logits: any shape, for generated ones.

    Returns:
        float32 scalar: mean over the real plus mean over the generated ones, 2 ln 2 = 1.386 for a
        discriminator that does not know; the scale of the report's figure 16.

    Source: Goodfellow et al. (2014); report, section 4.1.1.
    """
    return _cross_entropy(1.0, real_logits) + _cross_entropy(0.0, fake_logits)


def generator_loss(fake_logits: tf.Tensor) -> tf.Tensor:
    """Binary cross entropy of having generated ones called 1 (the non-saturating loss).

    Args:
        fake_logits: any shape, for generated examples.

    Returns:
        float32 scalar, ln 2 = 0.693 for a discriminator that does not know.

    Source: Goodfellow et al. (2014); report, section 4.1.2.
    """
    return _cross_entropy(1.0, fake_logits)


def _cross_entropy(label: float, logits: tf.Tensor) -> tf.Tensor:
    logits = tf.cast(logits, tf.float32)
    labels = tf.fill(tf.shape(logits), label)
    losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
    return tf.reduce_mean(losses)
