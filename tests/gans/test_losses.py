import math

import pytest
import tensorflow as tf

from serkit.gans.losses import discriminator_loss, generator_loss


def test_a_discriminator_that_does_not_know():
    zeros = tf.zeros((4, 1))
    assert float(discriminator_loss(zeros, zeros)) == pytest.approx(2 * math.log(2))
    assert float(generator_loss(zeros)) == pytest.approx(math.log(2))


def test_by_hand():
    """softplus(-2) for real at 2, softplus(1) for generated at 1."""
    expected = math.log1p(math.exp(-2)) + math.log1p(math.exp(1))
    found = discriminator_loss(tf.constant([[2.0]]), tf.constant([[1.0]]))
    assert float(found) == pytest.approx(expected, rel=1e-6)
    assert float(generator_loss(tf.constant([[1.0]]))) == pytest.approx(math.log1p(math.exp(-1)))


def test_mean_over_the_batch_and_float32_whatever_comes_in():
    logits = tf.constant([[3.0], [-3.0]], tf.bfloat16)
    loss = generator_loss(logits)
    assert loss.dtype == tf.float32
    assert loss.shape == ()
    expected = (math.log1p(math.exp(-3)) + math.log1p(math.exp(3))) / 2
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_gradients_point_the_right_way():
    logits = tf.Variable([[0.5]])
    with tf.GradientTape(persistent=True) as tape:
        generator, discriminator = generator_loss(logits), discriminator_loss(-9 * logits, logits)
    assert float(tape.gradient(generator, logits)[0, 0]) < 0
    assert float(tape.gradient(discriminator, logits)[0, 0]) > 0
