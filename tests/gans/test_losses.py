import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from serkit.gans.losses import (
    discriminator_accuracy,
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    wasserstein_critic_loss,
    wasserstein_generator_loss,
)


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


def test_accuracy_by_hand():
    """Three of four real and one of two generated examples are told right."""
    real, fake = tf.constant([[1.0], [2.0], [-1.0], [0.1]]), tf.constant([[0.0], [3.0]])
    assert float(discriminator_accuracy(real, fake)) == pytest.approx((3 / 4 + 1 / 2) / 2)


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


def test_wasserstein_losses_by_hand():
    real, fake = tf.constant([[3.0], [1.0]]), tf.constant([[-1.0], [0.5]], tf.bfloat16)
    assert float(wasserstein_critic_loss(real, fake)) == -0.25 - 2.0
    assert float(wasserstein_generator_loss(fake)) == 0.25
    assert wasserstein_generator_loss(fake).dtype == tf.float32


def _batch(rng, shape=(4, 3, 5, 1)):
    parts = rng.standard_normal((2, *shape)).astype("float32")
    return tf.constant(parts[0]), tf.constant(parts[1]), tf.constant([0.0, 0.3, 0.7, 1.0])


@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0, 3.0])
def test_the_penalty_of_a_linear_critic_is_exact_wherever_it_is_taken(rng, slope):
    """A critic with the weights w has the gradient w everywhere: (|w| - 1) squared."""
    weights = rng.standard_normal((3, 5, 1)).astype("float32")
    weights *= slope / np.linalg.norm(weights)

    def critic(x):
        return tf.reduce_sum(x * weights, axis=[1, 2, 3])[:, None]

    penalty = gradient_penalty(critic, *_batch(rng))
    assert float(penalty) == pytest.approx((slope - 1) ** 2, abs=1e-5)
    assert np.isfinite(penalty)


def test_the_penalty_is_taken_between_and_for_each_pair_with_its_own_share():
    """The critic x squared has the slope 2x: at 2 + share * (4 - 2) that is 4 to 8."""
    real, fake = tf.fill([3, 1], 4.0), tf.fill([3, 1], 2.0)
    penalty = gradient_penalty(tf.square, real, fake, tf.constant([0.0, 0.5, 1.0]))
    assert float(penalty) == pytest.approx(((4 - 1) ** 2 + (6 - 1) ** 2 + (8 - 1) ** 2) / 3)


def test_the_penalty_teaches_the_critic_its_slope(rng):
    """Its gradient with respect to w of a linear critic: 2 (|w| - 1) w / |w|."""
    layer = keras.layers.Dense(1, use_bias=False)
    layer.build((None, 6))
    weights = rng.standard_normal((6, 1)).astype("float32")
    layer.kernel.assign(weights)
    parts = tf.constant(rng.standard_normal((2, 4, 6)), tf.float32)
    with tf.GradientTape() as tape:
        penalty = gradient_penalty(layer, parts[0], parts[1], tf.fill([4], 0.5))
    norm = np.linalg.norm(weights)
    expected = 2 * (norm - 1) * weights / norm
    found = tape.gradient(penalty, layer.trainable_variables)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_a_flat_critic_gives_no_nan():
    weight = tf.Variable(0.0)
    with tf.GradientTape() as tape:
        penalty = gradient_penalty(
            lambda x: x * weight, tf.ones([2, 3]), tf.zeros([2, 3]), [0.5] * 2
        )
    assert float(penalty) == pytest.approx(1, abs=1e-5)
    assert np.isfinite(tape.gradient(penalty, weight))


def test_smoothing_of_a_discriminator_that_does_not_know():
    """At a logit of 0 both labels cost ln 2, so any mixture of them does."""
    zeros = tf.zeros((4, 1))
    found = discriminator_loss(zeros, zeros, smoothing=0.1)
    assert float(found) == pytest.approx(2 * math.log(2))


def test_smoothing_by_hand_is_of_the_real_ones_alone():
    """Label 0.9 at 2: 0.9 softplus(-2) + 0.1 softplus(2). Label 0 at 1, as ever: softplus(1)."""
    real = 0.9 * math.log1p(math.exp(-2)) + 0.1 * math.log1p(math.exp(2))
    fake = math.log1p(math.exp(1))
    found = discriminator_loss(tf.constant([[2.0]]), tf.constant([[1.0]]), smoothing=0.1)
    assert float(found) == pytest.approx(real + fake, rel=1e-6)


def test_with_smoothing_a_discriminator_is_sure_enough_at_nine_to_one():
    """The slope sigmoid(logit) - 0.9 is 0 at ln 9; that of generated ones is not touched."""
    real, fake = tf.Variable([[math.log(9)]]), tf.Variable([[math.log(9)]])
    with tf.GradientTape() as tape:
        loss = discriminator_loss(real, fake, smoothing=0.1)
    slopes = tape.gradient(loss, [real, fake])
    assert float(slopes[0][0, 0]) == pytest.approx(0, abs=1e-6)
    assert float(slopes[1][0, 0]) == pytest.approx(0.9, rel=1e-6)
