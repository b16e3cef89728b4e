"""What all GANs share: settings, networks, optimizers, noise."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

import keras
import numpy as np
import tensorflow as tf

from serkit.errors import InputError, check_choice, check_range
from serkit.gans import networks
from serkit.gans.networks import LATENT
from serkit.gans.small_data import DiffAugmentSettings, diff_augment, update_average
from serkit.seeds import derive_seed
from serkit.serialization import plain, restored
from serkit.training.precision import PRECISIONS, dtype_policy_scope


@dataclass(frozen=True)
class GANSettings:
    """Size of a GAN and settings of its training run.

    Attributes:
        width: factor on the channel counts of both networks.
        discriminator_width: the same factor for the discriminator or critic alone; None uses
            ``width``. A generator costs a small fraction of the computation of its discriminator or
            critic.
        latent: length of the noise vector.
        classes: 0 for an unconditional GAN, trained on one class or on clips without labels;
            otherwise the number of classes of a conditional GAN.
        batch_size: number of real examples, and of generated examples, per optimizer step of a
            network.
        steps: optimizer steps of the generator.
        steps_per_epoch: steps between two rows of the history and between two checkpoints.
        augment: differentiable augmentation of all inputs of the discriminator or critic, in the
            steps of both networks; None switches it off.
        ema: decay of the moving average of the generator's weights; samples are taken from the
            averaged generator. 0 switches the average off. In early steps the decay is lower, see
            :func:`serkit.gans.small_data.update_average`.
        precision: ``float32``, or ``mixed_bfloat16``: convolutions in bfloat16, weights and losses
            in float32.
        jit_compile: whether XLA compiles the step; ``auto`` leaves the choice to Keras. On a CPU,
            XLA makes convolutions slower.

    Raises:
        InputError: if a value is out of range.
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
        check_range("discriminator_width", self.opponent_width, 0.01, 4.0)
        check_range("latent", self.latent, 1)
        if self.classes:
            check_range("classes", self.classes, 2)
        check_range("batch_size", self.batch_size, 2)
        check_range("steps_per_epoch", self.steps_per_epoch, 1)
        check_range("steps", self.steps, self.steps_per_epoch)
        check_range("ema", self.ema, 0.0, 0.99999)
        check_choice("precision", self.precision, PRECISIONS)
        if self.jit_compile not in (True, False, "auto"):
            raise InputError(
                f"`jit_compile` must be True, False or 'auto'. Received: {self.jit_compile!r}."
            )

    @property
    def opponent_width(self) -> float:
        """Factor on the channel counts of the discriminator or critic."""
        return self.width if self.discriminator_width is None else self.discriminator_width

    @property
    def epochs(self) -> int:
        """Number of epochs; the last epoch always has ``steps_per_epoch`` steps."""
        return -(-self.steps // self.steps_per_epoch)

    @property
    def examples_per_step(self) -> int:
        """Number of real examples that one step of ``fit`` takes."""
        return self.batch_size


class GAN(keras.Model):
    """Base class: a generator and its discriminators or critic.

    A GAN is a Keras model: ``fit``, ``save`` and ``keras.saving.load_model`` work as for any other.
    A loaded GAN has the weights, the state of the optimizers and the discriminator in use of the
    saved one, so that ``fit`` continues where it ended.

    Args:
        settings: settings of the GAN and its training run.
        seed: seed of the new weights, and of the noise and the augmentation during training.
        generator: model from ``(batch, latent)`` to ``(batch, frames, bins, 1)``; conditional or
            not. None builds the generator of the 2021 report.
        discriminators: models from such a spectrogram to a logit or score ``(batch, 1)``,
            conditional if the generator is; one model, or several that are used one after the
            other. None builds those of the settings.
        name: name of the model; default: ``kind``.

    Attributes:
        averaged: copy of the generator with averaged weights; None if ``settings.ema`` is 0.
        stage: index of the discriminator in use, from 0.

    Raises:
        InputError: if ``settings`` are those of another kind of GAN.
    """

    kind: ClassVar[str]
    """Name of this kind of GAN in files."""
    settings_type: ClassVar[type[GANSettings]]
    tracked: ClassVar[tuple[str, ...]]
    """Names of the values that ``train_step`` reports, as means over an epoch."""

    def __init__(
        self,
        settings: GANSettings,
        seed: int = 0,
        *,
        generator: keras.Model | None = None,
        discriminators: Sequence[keras.Model] | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name or self.kind)
        if not isinstance(settings, self.settings_type):
            raise InputError(
                f"`settings` must be {self.settings_type.__name__}. Received: {settings!r}."
            )
        self.settings: GANSettings = settings
        self.seed: int = seed
        with dtype_policy_scope(settings.precision):
            self.generator: keras.Model = generator or networks.generator(
                settings.width, settings.latent, derive_seed(seed, "generator"), settings.classes
            )
            discriminators = discriminators or self.new_discriminators()
        self.discriminators: list[keras.Model] = list(discriminators)
        averaged = keras.models.clone_model(self.generator) if settings.ema else None
        if averaged is not None:
            averaged.set_weights(self.generator.get_weights())
        self.averaged: keras.Model | None = averaged
        self.stage: int = 0
        self.noise_seed: int = derive_seed(seed, "noise")
        # No tracker may be named "loss": Keras has a tracker of this name, and both would show 0.
        trackers = [keras.metrics.Mean(name=name) for name in self.tracked]
        self.trackers: list[keras.metrics.Metric] = list(trackers)
        # Under a strategy, Keras would otherwise build this model by a call on spectrograms.
        self.built = True
        self.compile()

    def new_discriminators(self) -> list[keras.Model]:
        """Return new discriminators, or a new critic, as the settings say."""
        raise NotImplementedError

    def new_optimizers(self) -> tuple[keras.Optimizer, list[keras.Optimizer]]:
        """Return optimizers of the generator and of each discriminator, as the settings say."""
        raise NotImplementedError

    def call(self, noise: tf.Tensor | list[tf.Tensor], training: bool = False) -> tf.Tensor:
        return self.generator(noise, training=training)

    def compile(
        self,
        generator_optimizer: keras.Optimizer | None = None,
        discriminator_optimizers: Sequence[keras.Optimizer] | None = None,
        **options: Any,
    ) -> None:
        """Set the optimizers. The constructor calls this method without arguments.

        Args:
            generator_optimizer: optimizer of the generator; None takes that of the settings.
            discriminator_optimizers: optimizers of the discriminators, in the same order; None
                takes those of the settings.
            options: further arguments of :meth:`keras.Model.compile`, such as ``run_eagerly``.
        """
        super().compile(jit_compile=self.settings.jit_compile, **options)
        new_generator_optimizer, new_discriminator_optimizers = self.new_optimizers()
        optimizers = list(discriminator_optimizers or new_discriminator_optimizers)
        self.generator_optimizer: keras.Optimizer = generator_optimizer or new_generator_optimizer
        self.discriminator_optimizers: list[keras.Optimizer] = optimizers
        self._compile_options = options
        # Build the optimizers now, so that a checkpoint can be restored before the first step.
        self.generator_optimizer.build(self.generator.trainable_variables)
        for discriminator, optimizer in zip(self.discriminators, optimizers, strict=True):
            optimizer.build(discriminator.trainable_variables)

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "settings": plain(asdict(self.settings)),
            "seed": self.seed,
            "stage": self.stage,
            "generator": keras.saving.serialize_keras_object(self.generator),
            "discriminators": keras.saving.serialize_keras_object(self.discriminators),
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> Self:
        deserialize = keras.saving.deserialize_keras_object
        gan = cls(
            restored(cls.settings_type, config["settings"]),
            config["seed"],
            generator=deserialize(config["generator"], custom_objects),
            discriminators=deserialize(config["discriminators"], custom_objects),
            name=config["name"],
        )
        gan.go_to_stage(config["stage"])
        return gan

    def get_compile_config(self) -> dict[str, Any]:
        arguments = {
            "generator_optimizer": self.generator_optimizer,
            "discriminator_optimizers": list(self.discriminator_optimizers),
            **self._compile_options,
        }
        return keras.saving.serialize_keras_object(arguments)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        self.compile(**keras.saving.deserialize_keras_object(config))

    def save_own_variables(self, store: Any) -> None:
        # Keras saves the weights of the networks, but not the random state of dropout.
        for index, state in enumerate(self._random_states):
            store[str(index)] = np.asarray(state)

    def load_own_variables(self, store: Any) -> None:
        for index, state in enumerate(self._random_states):
            state.assign(store[str(index)])

    @property
    def _random_states(self) -> list[keras.Variable]:
        return [variable for variable in self.state if variable.name == "seed_generator_state"]

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return self.trackers

    @property
    def discriminator(self) -> keras.Model:
        """The discriminator or critic in use."""
        return self.discriminators[self.stage]

    @property
    def discriminator_optimizer(self) -> keras.optimizers.Optimizer:
        """The optimizer of the discriminator or critic in use."""
        return self.discriminator_optimizers[self.stage]

    def go_to_stage(self, stage: int) -> None:
        """Use another discriminator from the next step on.

        Args:
            stage: index of the discriminator, from 0.

        Raises:
            InputError: if there is no discriminator with this index.
        """
        check_range("stage", stage, 0, len(self.discriminators) - 1)
        self.stage = stage
        # Compile the step again: Keras' compiled function uses the previous discriminator.
        self.make_train_function(force=True)

    def callbacks(self, history: Sequence[Mapping[str, float]]) -> list[keras.callbacks.Callback]:
        """Return the additional callbacks that ``fit`` needs for this kind of GAN.

        Args:
            history: one row of values per finished epoch.
        """
        return []

    def is_finished(self, history: Sequence[Mapping[str, float]]) -> bool:
        """Return whether the training run is finished after the epochs of ``history``."""
        return len(history) >= self.settings.epochs

    @property
    def sampler(self) -> keras.Model:
        """The generator to take samples from: the averaged generator, if there is one."""
        return self.generator if self.averaged is None else self.averaged

    @property
    def networks(self) -> list[keras.Model]:
        """All networks that training changes."""
        averaged = [] if self.averaged is None else [self.averaged]
        return [self.generator, *self.discriminators, *averaged]

    @property
    def state(self) -> list[keras.Variable]:
        """All variables that training changes, for :class:`serkit.training.callbacks.Resume`."""
        optimizers = [self.generator_optimizer, *self.discriminator_optimizers]
        return [variable for owner in [*self.networks, *optimizers] for variable in owner.variables]

    def step_seed(self) -> tf.Tensor:
        """Return the step's int32 ``(2,)`` seed for stateless random numbers.

        The seed depends only on the GAN's seed, the step and the replica of a strategy. The step is
        the optimizer's count, which is saved. So a resumed training run has the same seeds.
        """
        step = tf.cast(self.generator_optimizer.iterations, tf.int32)
        seed = tf.stack([tf.constant(self.noise_seed, tf.int32), step])
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return tf.convert_to_tensor(tf.random.fold_in(seed, replica))

    def noise(self, batch: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Draw standard normal noise, float32 ``(batch, latent)``."""
        return tf.random.stateless_normal(tf.stack([batch, self.settings.latent]), seed)

    def generate(self, labels: tf.Tensor | None, batch: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Generate ``batch`` spectrograms of these classes, in training mode."""
        noise = self.noise(batch, seed)
        return self.generator(noise if labels is None else [noise, labels], training=True)

    def discriminate(self, spectrograms: tf.Tensor, labels: tf.Tensor | None) -> tf.Tensor:
        """Compute outputs of the discriminator or critic for these classes, in training mode."""
        inputs = spectrograms if labels is None else [spectrograms, labels]
        return self.discriminator(inputs, training=True)

    def discriminate_both(
        self, real: tf.Tensor, fake: tf.Tensor, labels: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Compute the outputs for a real and a generated batch, each with its own statistics."""
        return self.discriminate(real, labels), self.discriminate(fake, labels)

    def augment(self, spectrograms: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Apply the differentiable augmentation to inputs of the discriminator, if it is on."""
        if self.settings.augment is None:
            return spectrograms
        return diff_augment(spectrograms, seed, self.settings.augment)

    def finish_step(self, *values: tf.Tensor) -> dict[str, tf.Tensor]:
        """Update the averaged generator and the tracked values; return the values' epoch means.

        Args:
            values: one value or tensor for each name in ``tracked``, in the same order.
        """
        if self.averaged is not None:
            step = self.generator_optimizer.iterations
            update_average(self.averaged, self.generator, self.settings.ema, step)
        for tracker, value in zip(self.trackers, values, strict=True):
            tracker.update_state(value)
        return {tracker.name: tracker.result() for tracker in self.trackers}
