"""How large a GAN is and how it is trained, whatever its kind."""

from dataclasses import dataclass

from serkit.errors import InputError, check_choice, check_range
from serkit.gans.diff_augment import DiffAugmentSettings
from serkit.gans.networks import LATENT
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
            :class:`serkit.gans.averaging.Averaged`.
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
