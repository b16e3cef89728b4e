"""What all GANs share: settings, networks, optimizers, noise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import keras
import tensorflow as tf

from serkit.errors import InputError, check_choice, check_range
from serkit.gans.cpu_fast_path import trained_form
from serkit.gans.networks import LATENT
from serkit.gans.small_data import Averaged, DiffAugmentSettings, diff_augment
from serkit.training.precision import PRECISIONS


@dataclass(frozen=True)
class GANSettings:
    """How large a GAN is and how long it is trained.

    Attributes:
        width: factor on the channel counts of both networks.
        discriminator_width: the same for the discriminator or critic alone; None is ``width``. A
            generator costs a small part of what it is trained against costs.
        latent: length of the noise vector.
        classes: 0 for a GAN of one class, or of clips whose class does not matter; else the number
            of classes that one generator makes, as it is told.
        batch_size: real examples that a network is taught with at a time, and as many generated.
        steps: optimiser steps of the generator.
        steps_per_epoch: how often the history gets a line and the state is kept.
        augment: differentiable augmentation of all that the discriminator or critic sees, in both
            networks' steps; None switches it off.
        ema: decay of the moving average of the generator's weights, from which samples are taken;
            0 switches it off. Early on the average follows faster, see
            :class:`serkit.gans.small_data.Averaged`.
        precision: ``float32``, or ``mixed_bfloat16``: convolutions in bfloat16, weights and losses
            in float32.
        jit_compile: whether XLA compiles the step, ``auto`` being Keras' choice; on a CPU it makes
            convolutions slower.

    Raises:
        InputError: for a value out of range.
    """

    width: float = 1.0
    discriminator_width: float | None = None
    latent: int = LATENT
    classes: int = 0
    batch_size: int = 128
    steps: int = 2000
    steps_per_epoch: int = 20
    augment: DiffAugmentSettings | None = None
    ema: float = 0.0
    precision: str = "float32"
    jit_compile: bool | str = "auto"

    def __post_init__(self) -> None:
        check_range("width", self.width, 0.01, 4.0)
        if self.discriminator_width is not None:
            check_range("discriminator_width", self.discriminator_width, 0.01, 4.0)
        check_range("latent", self.latent, 1)
        if self.classes:
            check_range("classes", self.classes, 2)
        check_range("batch_size", self.batch_size, 2)
        check_range("steps_per_epoch", self.steps_per_epoch, 1)
        check_range("steps", self.steps, self.steps_per_epoch)
        check_range("ema", self.ema, 0.0, 0.99999)
        check_choice("precision", self.precision, PRECISIONS)
        if self.jit_compile not in (True, False, "auto"):
            raise InputError(f"jit_compile={self.jit_compile!r}; valid are True, False and 'auto'")

    @property
    def opponent_width(self) -> float:
        """Width of the discriminator or critic."""
        return self.width if self.discriminator_width is None else self.discriminator_width

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
        generator: from ``(batch, latent)`` to ``(batch, frames, bins, 1)``, of classes or not.
        discriminators: from such a spectrogram to a logit or score ``(batch, 1)``, of classes if
            the generator is; one, or those that take over from each other.
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
        # They are, and Keras would have a strategy try it with spectrograms for noise.
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
        """Every variable that training changes, for :class:`serkit.training.callbacks.Resume`."""
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
        """As many spectrograms as ``batch`` says, of these classes, in training mode."""
        noise = self.noise(batch, seed)
        return self._generating(noise if labels is None else [noise, labels])

    def discriminate(self, spectrograms: tf.Tensor, labels: tf.Tensor | None) -> tf.Tensor:
        """Discriminator or critic outputs for spectrograms of these classes, in training mode."""
        inputs = spectrograms if labels is None else [spectrograms, labels]
        return self._judging[self.stage](inputs)

    def discriminate_both(
        self, real: tf.Tensor, fake: tf.Tensor, labels: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """What it says of either of two batches, which batch norm keeps apart, in one pass."""
        batches = (real, fake) if labels is None else ([real, labels], [fake, labels])
        return self._judging[self.stage].both(*batches)

    def show(self, spectrograms: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Pictures as the discriminator gets to see them: augmented, if that is switched on."""
        if self.settings.augment is None:
            return spectrograms
        return diff_augment(spectrograms, seed, self.settings.augment)

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


def split_batch(data, count: int) -> list[tuple[tf.Tensor, tf.Tensor | None]]:
    """Pictures and class numbers of so many steps, out of what ``fit`` hands to ``train_step``.

    Args:
        data: spectrograms ``(batch, …)``, or a tuple of them, or of them and class numbers.
        count: number of steps.

    Returns:
        For each step its spectrograms, and int32 class numbers or None.

    Raises:
        InputError: if the batch is known, and no multiple of ``count``.
    """
    spectrograms, labels, _ = keras.utils.unpack_x_y_sample_weight(data)
    size = spectrograms.shape[0]
    if size is not None and size % count:
        raise InputError(f"a step got {size} examples; valid is a multiple of its {count} parts")
    if labels is None:
        return [(part, None) for part in tf.split(spectrograms, count)]
    parts = tf.split(tf.cast(labels, tf.int32), count)
    return list(zip(tf.split(spectrograms, count), parts, strict=True))


def step_seeds(seed: tf.Tensor, count: int) -> list[tf.Tensor]:
    """So many seeds out of one; the first are the same whatever the count."""
    return [tf.random.experimental.stateless_fold_in(seed, number) for number in range(count)]


def apply_gradients(
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
