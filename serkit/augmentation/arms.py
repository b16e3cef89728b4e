"""Augmentation methods by name: the arms of a comparison. Imports no TensorFlow."""

import functools
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from serkit.errors import InputError, check_choice

if TYPE_CHECKING:
    from serkit.audio.augmentation import WaveAugmentation

SPEED = "speed"
WAVE_AUGMENTATIONS: dict[str, dict[str, Any]] = {
    SPEED: {"speed": (0.9, 1.1)},
    "noise": {"snr_db": (10.0, 30.0)},
    "gain": {"gain_db": (-10.0, 10.0)},
    "time-shift": {"shift": 0.1},
    "stretch": {"stretch": (0.8, 1.25)},
    "pitch": {"pitch": (-2.0, 2.0)},
}
"""Arguments of :class:`serkit.audio.augmentation.WaveAugmentation` by the augmentation's name."""


def wave_augmentation(names: Iterable[str]) -> "WaveAugmentation":
    """Return the settings that switch on all the named augmentations.

    Args:
        names: keys of :data:`WAVE_AUGMENTATIONS`.

    Raises:
        InputError: if a name is not a key of :data:`WAVE_AUGMENTATIONS`.
    """
    from serkit.audio.augmentation import WaveAugmentation

    arguments: dict[str, Any] = {}
    for name in names:
        check_choice("augmentation", name, WAVE_AUGMENTATIONS)
        arguments |= WAVE_AUGMENTATIONS[name]
    return WaveAugmentation(**arguments)


COPIES, NOISE_SPECTROGRAMS = "copies", "noise"
DCGAN, WGAN_GP, CONDITIONAL_GAN = "dcgan", "wgan-gp", "conditional"
GANS = (DCGAN, WGAN_GP, CONDITIONAL_GAN)
FILL_KINDS = ("", COPIES, NOISE_SPECTROGRAMS, *GANS)
"""Kinds of samples that rare classes can be filled up with; an empty string for no samples."""


@dataclass(frozen=True)
class Arm:
    """One arm of a comparison: an augmentation method.

    It affects training only, never validation or test clips.

    Attributes:
        name: name of the arm.
        description: short description for the report page.
        fill: kind of samples that rare classes are filled up with, one of :data:`FILL_KINDS`.
        class_weights: ``none`` or ``balanced``; checked by
            :class:`serkit.models.fitting.FitSettings`.
        spec_augment: whether to apply SpecAugment: masks and a time shift, drawn anew at each step.
        mixup: alpha of mixup, 0 to 10; 0 switches mixup off. Checked by ``FitSettings``.
        speeds: speed factors at which each clip is added once more. If spectrograms are computed
            from waveforms at each step, these factors are not used; a random speed of
            ``WAVE_AUGMENTATIONS[SPEED]`` is applied instead.
        wave_augmentations: augmentations of waveforms at each step, keys of
            :data:`WAVE_AUGMENTATIONS`.

    Raises:
        InputError: if ``fill`` or a name in ``wave_augmentations`` is not known.
    """

    name: str
    description: str
    fill: str = ""
    class_weights: str = "none"
    spec_augment: bool = False
    mixup: float = 0.0
    speeds: tuple[float, ...] = ()
    wave_augmentations: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_choice("fill", self.fill, FILL_KINDS)
        for name in self.wave_augmentations:
            check_choice("wave_augmentations", name, WAVE_AUGMENTATIONS)

    @property
    def live_augmentations(self) -> tuple[str, ...]:
        """Augmentations of waveforms if spectrograms are computed from waveforms at each step.

        Includes :data:`SPEED` if :attr:`speeds` is not empty.
        """
        return (*self.wave_augmentations, SPEED) if self.speeds else self.wave_augmentations

    def combined_with(self, other: "Arm") -> "Arm":
        """Return this arm with the method of another arm added; name and description stay.

        ``balanced`` class weights take precedence over ``none``. If both arms have mixup or speeds,
        this arm's are kept.

        Raises:
            InputError: if both arms fill up classes.
        """
        if self.fill and other.fill:
            raise InputError(
                "At most one of two combined arms may fill rare classes. Received: "
                f"{self.name} and {other.name}."
            )
        class_weights = (self.class_weights, other.class_weights)
        return replace(
            self,
            fill=self.fill or other.fill,
            class_weights="balanced" if "balanced" in class_weights else "none",
            spec_augment=self.spec_augment or other.spec_augment,
            mixup=self.mixup or other.mixup,
            speeds=self.speeds or other.speeds,
            wave_augmentations=tuple(sorted({*self.wave_augmentations, *other.wave_augmentations})),
        )


NONE = "none"
DEFAULT_ARMS = (
    NONE,
    "class-weights",
    "oversampling",
    "specaugment",
    "noise-images",
    "dcgan",
    "wgan-gp",
)
ARMS = {
    arm.name: arm
    for arm in (
        Arm(NONE, "baseline without augmentation"),
        Arm("class-weights", "examples of rare classes count more", class_weights="balanced"),
        Arm("oversampling", "copies of rare classes' clips", fill=COPIES),
        Arm("specaugment", "SpecAugment: random masks and shifts at each step", spec_augment=True),
        Arm("mixup", "weighted means of two clips and of their labels", mixup=0.3),
        Arm("speed", "recordings also at 0.9 and 1.1 of their speed", speeds=(0.9, 1.1)),
        *(
            Arm(name, description, wave_augmentations=(name,))
            for name, description in (
                ("noise", "white noise, 10 to 30 dB below the clip"),
                ("gain", "up to 10 dB louder or quieter"),
                ("time-shift", "shifted by up to 10 % of the clip's length"),
                ("stretch", "at 0.8 to 1.25 of the tempo, at constant pitch"),
                ("pitch", "up to 2 semitones higher or lower, at constant tempo"),
            )
        ),
        Arm("noise-images", "spectrograms of random noise, as a control", fill=NOISE_SPECTROGRAMS),
        Arm("dcgan", "samples of a DCGAN of each rare class", fill=DCGAN),
        Arm("wgan-gp", "samples of a WGAN-GP of each rare class", fill=WGAN_GP),
        Arm("conditional-gan", "samples of one class-conditional DCGAN", fill=CONDITIONAL_GAN),
    )
}
"""All arms by name; ``none`` is the baseline."""


def arm_by_name(name: str) -> Arm:
    """Return an arm, or a combination of arms.

    Args:
        name: a key of :data:`ARMS`, or several, joined by ``+``.

    Raises:
        InputError: if a name is not known, or more than one of the arms fills up classes.

    Example:
        >>> both = arm_by_name("class-weights+specaugment")
        >>> both.class_weights, both.spec_augment
        ('balanced', True)
    """
    parts = name.split("+")
    for part in parts:
        check_choice("arm", part, ARMS)
    combined = functools.reduce(Arm.combined_with, [ARMS[part] for part in parts])
    description = "; ".join(ARMS[part].description for part in parts)
    return replace(combined, name=name, description=description)


def choose_arms(names: Sequence[str], everywhere: Sequence[str] = ()) -> tuple[Arm, ...]:
    """Return arms by their names, ``none`` first.

    Args:
        names: names as :func:`arm_by_name` takes them; ``none`` is always included, also if it is
            not named.
        everywhere: names of arms whose methods are added to every arm, the baseline included.
            These arms must not fill up classes.

    Raises:
        InputError: if a name is not known, if ``names`` has a name twice, if an arm of
            ``everywhere`` fills up classes, or if two of the resulting arms are the same.
    """
    for name in everywhere:
        check_choice("arm", name, ARMS)
    if len(set(names)) < len(names):
        raise InputError(f"`arms` must be given once each. Received: arms={', '.join(names)}.")
    for name in everywhere:
        if ARMS[name].fill:
            raise InputError(
                f"`everywhere` must not fill rare classes. Received: everywhere={name!r}."
            )
    arms = [ARMS[NONE], *(arm_by_name(name) for name in names if name != NONE)]
    for name in everywhere:
        arms = [arm.combined_with(ARMS[name]) for arm in arms]
    for arm, other in itertools.combinations(arms, 2):
        if replace(other, name=arm.name, description=arm.description) == arm:
            with_all = f" with everywhere={', '.join(everywhere)}" if everywhere else ""
            raise InputError(
                f"Two arms must not be the same. Received: {arm.name} and {other.name}{with_all}."
            )
    return tuple(arms)
