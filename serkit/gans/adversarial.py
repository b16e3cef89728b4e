"""What all GANs share: networks and optimizers, noise that depends on seed and step alone."""

from collections.abc import Mapping, Sequence

import keras
import tensorflow as tf

from serkit.errors import InputError, check_range
from serkit.gans.averaging import Averaged
from serkit.gans.diff_augment import diff_augment
from serkit.gans.settings import GANSettings
from serkit.gans.trained_form import trained_form


class GAN(keras.Model):
    """A generator and the network that it is trained against.

    Args:
        generator: from ``(batch, latent)`` to ``(batch, frames, bins, 1)``, of classes or not.
        discriminators: from such a picture to a logit or score ``(batch, 1)``, of classes if the
            generator is; one, or those that take over from each other.
        settings: how the GAN is trained.
        seed: of the noise.
        tracked: names of the numbers that ``train_step`` reports, means over an epoch.
        name: of the model.

    Attributes:
        stage: number of the discriminator that is trained now, from 0.

    Call arguments:
        noise: float32 ``(batch, latent)``; with classes, a list of it and int32 ``(batch,)``.
    """

    def __init__(
        self,
        generator: keras.Model,
        discriminators: Sequence[keras.Model],
        settings: GANSettings,
        seed: int,
        tracked: Sequence[str],
        name: str,
    ) -> None:
        super().__init__(name=name)
        self.generator = generator
        self.discriminators = list(discriminators)
        self._generating = trained_form(generator)
        self._judging = [trained_form(network) for network in discriminators]
        self.stage = 0
        self.settings = settings
        self.noise_seed = seed
        self.averaged = Averaged(generator, settings.ema) if settings.ema else None
        # None is "loss": Keras has a tracker of that name, and two of them show 0.
        self.trackers = [keras.metrics.Mean(name=name) for name in tracked]
        # They are, and Keras would have a strategy try it with pictures for noise.
        self.built = True

    def call(self, noise, training=False):
        return self.generator(noise, training=training)

    def compile(
        self,
        generator_optimizer: keras.optimizers.Optimizer,
        discriminator_optimizers: Sequence[keras.optimizers.Optimizer],
        **options,
    ) -> None:
        """Set the optimizers, one for each network that has one.

        Args:
            generator_optimizer: of the generator.
            discriminator_optimizers: of the discriminators, in their order.
            options: those of :meth:`keras.Model.compile`.
        """
        super().compile(jit_compile=self.settings.jit_compile, **options)
        self.generator_optimizer = generator_optimizer
        self.discriminator_optimizers = list(discriminator_optimizers)
        # Built now, so that a checkpoint can be restored before the first step.
        generator_optimizer.build(self.generator.trainable_variables)
        pairs = zip(self.discriminators, self.discriminator_optimizers, strict=True)
        for discriminator, optimizer in pairs:
            optimizer.build(discriminator.trainable_variables)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return self.trackers

    @property
    def discriminator(self) -> keras.Model:
        """The network that the generator is trained against now."""
        return self.discriminators[self.stage]

    @property
    def discriminator_optimizer(self) -> keras.optimizers.Optimizer:
        """The optimizer of that network."""
        return self.discriminator_optimizers[self.stage]

    def go_to_stage(self, stage: int) -> None:
        """Train against another discriminator from the next step on.

        Args:
            stage: its number, from 0.

        Raises:
            InputError: if there is no such discriminator.
        """
        check_range("stage", stage, 0, len(self.discriminators) - 1)
        self.stage = stage
        # What Keras has compiled knows of the old one only.
        self.make_train_function(force=True)

    def callbacks(self, history: Sequence[Mapping[str, float]]) -> list[keras.callbacks.Callback]:
        """What ``fit`` needs beside it for this kind of GAN, after epochs that went before."""
        return []

    def is_finished(self, history: Sequence[Mapping[str, float]]) -> bool:
        """Whether training ends after these epochs."""
        return len(history) >= self.settings.epochs

    @property
    def sampler(self) -> keras.Model:
        """The generator to take samples from: the averaged one if there is one."""
        return self.averaged.network if self.averaged else self.generator

    @property
    def networks(self) -> list[keras.Model]:
        """All networks that training changes."""
        averaged = [self.averaged.network] if self.averaged else []
        return [self.generator, *self.discriminators, *averaged]

    @property
    def state(self) -> list[keras.Variable]:
        """Every variable that training changes, for :class:`serkit.training.resume.Resume`."""
        return [
            *(variable for network in self.networks for variable in network.variables),
            *self.generator_optimizer.variables,
            *(v for optimizer in self.discriminator_optimizers for v in optimizer.variables),
        ]

    def step_seed(self) -> tf.Tensor:
        """An int32 ``(2,)`` seed for stateless random numbers, another one at each step.

        It depends on the seed and the step alone: the optimizer's count survives a kill. Each
        replica of a strategy has its own.
        """
        step = tf.cast(self.generator_optimizer.iterations, tf.int32)
        seed = tf.stack([tf.constant(self.noise_seed, tf.int32), step])
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return tf.random.experimental.stateless_fold_in(seed, replica)

    def noise(self, batch: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Standard normal noise, float32 ``(batch, latent)``."""
        return tf.random.stateless_normal([batch, self.settings.latent], seed)

    def generate(self, labels: tf.Tensor | None, batch: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """As many pictures as ``batch`` says, of these classes, in training mode."""
        noise = self.noise(batch, seed)
        return self._generating(noise if labels is None else [noise, labels])

    def judge(self, pictures: tf.Tensor, labels: tf.Tensor | None) -> tf.Tensor:
        """What the discriminator or critic says of pictures of these classes, in training mode."""
        inputs = pictures if labels is None else [pictures, labels]
        return self._judging[self.stage](inputs)

    def judge_both(
        self, real: tf.Tensor, fake: tf.Tensor, labels: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """What it says of either of two batches, which batch norm keeps apart, in one pass."""
        batches = (real, fake) if labels is None else ([real, labels], [fake, labels])
        return self._judging[self.stage].both(*batches)

    def show(self, pictures: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Pictures as the discriminator gets to see them: augmented, if that is switched on."""
        if self.settings.augment is None:
            return pictures
        return diff_augment(pictures, seed, self.settings.augment)

    def finish_step(self, *values: tf.Tensor) -> dict[str, tf.Tensor]:
        """Average the generator, and take in what is tracked, in its order.

        Returns:
            The means so far of the epoch, as ``fit`` wants them.
        """
        if self.averaged:
            self.averaged.update(self.generator_optimizer.iterations)
        for tracker, value in zip(self.trackers, values, strict=True):
            tracker.update_state(value)
        return {tracker.name: tracker.result() for tracker in self.trackers}


def share_out(data, count: int) -> list[tuple[tf.Tensor, tf.Tensor | None]]:
    """Pictures and class numbers of so many steps, out of what ``fit`` hands to ``train_step``.

    Args:
        data: pictures ``(batch, …)``, or a tuple of them, or of them and class numbers.
        count: number of steps.

    Returns:
        For each step its pictures, and int32 class numbers or None.

    Raises:
        InputError: if the batch is known, and no multiple of ``count``.
    """
    pictures, labels, _ = keras.utils.unpack_x_y_sample_weight(data)
    size = pictures.shape[0]
    if size is not None and size % count:
        raise InputError(f"a step got {size} examples; valid is a multiple of its {count} parts")
    if labels is None:
        return [(part, None) for part in tf.split(pictures, count)]
    parts = tf.split(tf.cast(labels, tf.int32), count)
    return list(zip(tf.split(pictures, count), parts, strict=True))


def step_seeds(seed: tf.Tensor, count: int) -> list[tf.Tensor]:
    """So many seeds out of one; the first are the same whatever the count."""
    return [tf.random.experimental.stateless_fold_in(seed, number) for number in range(count)]


def descend(
    tape: tf.GradientTape,
    loss: tf.Tensor,
    network: keras.Model,
    optimizer: keras.optimizers.Optimizer,
) -> None:
    """One step of an optimizer on a network's trainable variables.

    Under a strategy gradients are added up over its replicas: each gives its share of the mean.
    """
    variables = network.trainable_variables
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    gradients = tape.gradient(loss, variables)
    if replicas > 1:
        gradients = [gradient / replicas for gradient in gradients]
    optimizer.apply_gradients(zip(gradients, variables, strict=True))
