"""Time the training step of a DCGAN and its parts, for bench_gan.py."""

import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from serkit.gans.dcgan import DCGAN, DCGANSettings
from serkit.gans.losses import discriminator_loss, generator_loss


class SerkitStep:
    """A DCGAN with Discriminator2, and real examples for a step.

    Args:
        batch: size of each of the two batches.
        bfloat16: whether the networks compute in bfloat16.
        width: factor on the channel counts of the networks.
    """

    def __init__(self, batch: int, bfloat16: bool, width: float) -> None:
        settings = DCGANSettings(
            width=width, batch_size=batch, discriminator="discriminator2",
            precision="mixed_bfloat16" if bfloat16 else "float32",
        )  # fmt: skip
        self._gan = DCGAN(settings, seed=0)
        self._real = np.random.default_rng(0).uniform(-1, 1, (batch, 224, 224, 1)).astype("float32")
        dtype = tf.bfloat16 if bfloat16 else tf.float32
        self._matrix = tf.cast(tf.random.normal((2048, 2048)), dtype)
        self._product = tf.function(tf.matmul)

    def run(self) -> list[float]:
        return self._gan.train_on_batch(self._real)

    def multiply(self) -> None:
        self._product(self._matrix, self._matrix)

    def profile(self) -> dict[str, float]:
        """Return the milliseconds of a step and of its parts, each compiled by itself."""
        gan = self._gan
        batch = len(self._real)
        seed = tf.constant([0, 0])
        fake = gan.generate(None, batch, seed)
        real = tf.constant(self._real)
        ours, theirs = gan.generator.trainable_variables, gan.discriminator.trainable_variables

        def generated():
            with tf.GradientTape() as tape:
                made = gan.generate(None, batch, seed)
            return tape.gradient(made, ours, fake)

        def discriminated(together: bool):
            with tf.GradientTape() as tape:
                logits = (
                    gan.discriminate_both(real, fake, None)
                    if together
                    else [gan.discriminate(real, None)]
                )
                loss = discriminator_loss(logits[0], logits[-1])
            return tape.gradient(loss, theirs)

        def passed():
            with tf.GradientTape() as tape:
                tape.watch(fake)
                loss = generator_loss(gan.discriminate(fake, None))
            return tape.gradient(loss, fake)

        zeros = [tf.zeros_like(variable) for variable in theirs]
        parts = {
            "generator, forward": lambda: gan.generate(None, batch, seed),
            "generator, forward and backward": generated,
            "discriminator, forward, one batch": lambda: gan.discriminate(real, None),
            "discriminator, forward, both batches": lambda: gan.discriminate_both(real, fake, None),
            "discriminator, forward and backward, both batches": lambda: discriminated(True),
            "discriminator, forward and back to the inputs": passed,
            "discriminator's Adam": lambda: gan.discriminator_optimizer.apply_gradients(
                zip(zeros, theirs, strict=True)
            ),
        }
        times = {"whole step": _fastest(self.run)}
        return times | {name: _fastest(tf.function(part)) for name, part in parts.items()}


def _fastest(work: Callable[[], object], calls: int = 4) -> float:
    taken = []
    for _ in range(calls + 1):
        began = time.perf_counter()
        work()
        taken.append(1000 * (time.perf_counter() - began))
    return min(taken[1:])
