"""What all GANs share: two networks, two optimizers, noise that depends on seed and step alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import tensorflow as tf

from serkit.errors import check_range
from serkit.gans.networks import LATENT


@dataclass(frozen=True)
class GANSettings:
    """How large a GAN is and how long it is trained.

    Attributes:
        width: factor on the channel counts of both networks.
        latent: length of the noise vector.
        batch_size: real examples that a network is taught with at a time, and as many generated.
        steps: optimiser steps of the generator.
        steps_per_epoch: how often the history gets a line and the state is kept.

    Raises:
        InputError: for a value out of range.
    """

    width: float = 1.0
    latent: int = LATENT
    batch_size: int = 128
    steps: int = 2000
    steps_per_epoch: int = 20

    def __post_init__(self) -> None:
        check_range("width", self.width, 0.01, 4.0)
        check_range("latent", self.latent, 1)
        check_range("batch_size", self.batch_size, 2)
        check_range("steps_per_epoch", self.steps_per_epoch, 1)
        check_range("steps", self.steps, self.steps_per_epoch)

    @property
    def epochs(self) -> int:
        """Number of epochs; a last one that would be shorter is made whole."""
        return -(-self.steps // self.steps_per_epoch)

    @property
    def examples_per_step(self) -> int:
        """Real examples that one step of ``fit`` takes."""
        return self.batch_size


class GAN(keras.Model):
    """A generator and the network that it is trained against.

    Args:
        generator: from ``(batch, latent)`` to ``(batch, frames, bins, 1)``.
        discriminator: from such a picture to a logit or score ``(batch, 1)``.
        seed: of the noise.
        tracked: names of the numbers that ``train_step`` reports, means over an epoch.
        name: of the model.

    Call arguments:
        noise: float32 ``(batch, latent)``.
    """

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        seed: int,
        tracked: Sequence[str],
        name: str,
    ) -> None:
        super().__init__(name=name)
        self.generator = generator
        self.discriminator = discriminator
        self.noise_seed = seed
        # None is "loss": Keras has a tracker of that name, and two of them show 0.
        self.trackers = [keras.metrics.Mean(name=name) for name in tracked]

    def call(self, noise, training=False):
        return self.generator(noise, training=training)

    def compile(
        self,
        generator_optimizer: keras.optimizers.Optimizer,
        discriminator_optimizer: keras.optimizers.Optimizer,
        **options,
    ) -> None:
        """Set the two optimizers; ``options`` are those of :meth:`keras.Model.compile`."""
        super().compile(**options)
        self.generator_optimizer = generator_optimizer
        self.discriminator_optimizer = discriminator_optimizer
        # Built now, so that a checkpoint can be restored before the first step.
        generator_optimizer.build(self.generator.trainable_variables)
        discriminator_optimizer.build(self.discriminator.trainable_variables)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return self.trackers

    @property
    def state(self) -> list[keras.Variable]:
        """Every variable that training changes, for :class:`serkit.training.resume.Resume`."""
        return [
            *self.generator.variables,
            *self.discriminator.variables,
            *self.generator_optimizer.variables,
            *self.discriminator_optimizer.variables,
        ]

    def step_seed(self) -> tf.Tensor:
        """An int32 ``(2,)`` seed for stateless random numbers, another one at each step.

        It depends on the seed and the step alone: the optimizer's count survives a kill.
        """
        step = tf.cast(self.generator_optimizer.iterations, tf.int32)
        return tf.stack([tf.constant(self.noise_seed, tf.int32), step])

    def noise(self, batch: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Standard normal noise, float32 ``(batch, latent)``."""
        return tf.random.stateless_normal([batch, self.generator.input_shape[-1]], seed)

    def report(self, *values: tf.Tensor) -> dict[str, tf.Tensor]:
        """Take in what was tracked, in its order; gives the means so far, as ``fit`` wants them."""
        for tracker, value in zip(self.trackers, values, strict=True):
            tracker.update_state(value)
        return {tracker.name: tracker.result() for tracker in self.trackers}


def descend(
    tape: tf.GradientTape,
    loss: tf.Tensor,
    network: keras.Model,
    optimizer: keras.optimizers.Optimizer,
) -> None:
    """One step of an optimizer on a network's trainable variables."""
    variables = network.trainable_variables
    optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
