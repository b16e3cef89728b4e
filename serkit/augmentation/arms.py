"""Augmentation methods by name: the arms of a comparison. Imports no TensorFlow."""

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from serkit.errors import InputError, check_choice

if TYPE_CHECKING:
    from serkit.audio.augmentation import WaveAugmentation

SPEED = "speed"
STRENGTHS: dict[str, tuple[str, Any]] = {
    SPEED: ("speed", (0.9, 1.1)),
    "noise": ("snr_db", (10.0, 30.0)),
    "gain": ("gain_db", (-10.0, 10.0)),
    "time-shift": ("shift", 0.1),
    "stretch": ("stretch", (0.8, 1.25)),
    "pitch": ("pitch", (-2.0, 2.0)),
}
"""Augmentations by name.

Each value is a field of :class:`serkit.audio.augmentation.WaveAugmentation` and the setting that
this augmentation gives to the field.
"""


def augmentation_of(names: Iterable[str]) -> "WaveAugmentation":
    """Return the settings that switch on all the named augmentations.

    Args:
        names: keys of :data:`STRENGTHS`.

    Raises:
        InputError: if a name is not a key of :data:`STRENGTHS`.
    """
    from serkit.audio.augmentation import WaveAugmentation

    settings = {}
    for name in names:
        check_choice("augmentation", name, STRENGTHS)
        field, value = STRENGTHS[name]
        settings[field] = value
    return WaveAugmentation(**settings)


def add_live(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--live`` to a parser. Its value is a list of names, or None if not given.

    Args:
        parser: parser of a command that trains classifiers.
    """
    parser.add_argument(
        "--live",
        nargs="*",
        choices=STRENGTHS,
        metavar="AUGMENTATION",
        help="compute spectrograms from waveforms at each step, and augment these before, anew at "
        f"each step: any of {', '.join(STRENGTHS)}, such as --live noise speed; default: train on "
        "spectrograms that are computed once",
    )


COPIES, NOISE, DCGAN, WGAN_GP, CONDITIONAL = "copies", "noise", "dcgan", "wgan-gp", "conditional"
GANS = (DCGAN, WGAN_GP, CONDITIONAL)
FILLS = ("", COPIES, NOISE, *GANS)


@dataclass(frozen=True)
class Arm:
    """One arm of a comparison: an augmentation method that changes the training partition only.

    Attributes:
        name: name of the arm.
        meaning: short description for the report page.
        fill: kind of samples that rare classes are filled up with, one of :data:`FILLS`; an empty
            string adds no samples.
        class_weights: ``none`` or ``balanced``, see :class:`serkit.models.fitting.FitSettings`.
        masks: whether to apply SpecAugment's masks and a shift in time, drawn anew at each step.
        mixup: alpha of mixup; 0 switches mixup off.
        speeds: speed factors at which each clip is added once more. If spectrograms are computed
            from waveforms at each step, a random speed from a range is applied instead, see
            :attr:`augmentations`.
        waves: augmentations of waveforms at each step, keys of :data:`STRENGTHS`.

    Raises:
        InputError: if ``fill`` or a name in ``waves`` is not known.
    """

    name: str
    meaning: str
    fill: str = ""
    class_weights: str = "none"
    masks: bool = False
    mixup: float = 0.0
    speeds: tuple[float, ...] = ()
    waves: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_choice("fill", self.fill, FILLS)
        for name in self.waves:
            check_choice("waves", name, STRENGTHS)

    @property
    def augmentations(self) -> tuple[str, ...]:
        """Names of the augmentations for training batches that are computed from waveforms.

        :data:`SPEED` is one of these names if :attr:`speeds` is not empty.
        """
        return (*self.waves, SPEED) if self.speeds else self.waves

    def beside(self, other: "Arm") -> "Arm":
        """Combine this arm with the augmentations of another arm; keep name and meaning.

        Raises:
            InputError: if both arms fill up classes.
        """
        if self.fill and other.fill:
            raise InputError(
                f"One arm at most must fill rare classes. Received: {self.name} and {other.name}."
            )
        class_weights = (self.class_weights, other.class_weights)
        return replace(
            self,
            fill=self.fill or other.fill,
            class_weights="balanced" if "balanced" in class_weights else "none",
            masks=self.masks or other.masks,
            mixup=self.mixup or other.mixup,
            speeds=self.speeds or other.speeds,
            waves=tuple(sorted({*self.waves, *other.waves})),
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
        Arm(NONE, "the training clips as they are"),
        Arm("class-weights", "examples of rare classes count more", class_weights="balanced"),
        Arm("oversampling", "copies of rare classes' clips", fill=COPIES),
        Arm("specaugment", "masks and a shift, other ones at each step", masks=True),
        Arm("mixup", "weighted means of two clips and of their labels", mixup=0.3),
        Arm("speed", "recordings also at 0.9 and 1.1 of their speed", speeds=(0.9, 1.1)),
        Arm("noise", "white noise, 10 to 30 dB below the clip", waves=("noise",)),
        Arm("gain", "up to 10 dB louder or quieter", waves=("gain",)),
        Arm("time-shift", "up to a tenth earlier or later", waves=("time-shift",)),
        Arm("stretch", "at 0.8 to 1.25 of the tempo, as high as before", waves=("stretch",)),
        Arm("pitch", "up to 2 semitones higher or lower, as fast as before", waves=("pitch",)),
        Arm("noise-images", "as many spectrograms of noise, without content", fill=NOISE),
        Arm("dcgan", "samples of a DCGAN of each rare class", fill=DCGAN),
        Arm("wgan-gp", "samples of a WGAN-GP of each rare class", fill=WGAN_GP),
        Arm("conditional-gan", "samples of one DCGAN of all classes", fill=CONDITIONAL),
    )
}
"""All arms by name. The other arms are compared with the baseline ``none``."""


def choose_arms(names: Sequence[str], everywhere: Sequence[str] = ()) -> tuple[Arm, ...]:
    """Return arms by their names, ``none`` first.

    Args:
        names: keys of :data:`ARMS`; ``none`` is always included, also if it is not named.
        everywhere: arms whose augmentations are added to every arm, also to ``none``. These arms
            must not fill up classes.

    Raises:
        InputError: if a name is not known, if ``names`` has a name twice, if an arm of
            ``everywhere`` fills up classes, or if two of the resulting arms are the same.
    """
    for name in (*names, *everywhere):
        check_choice("arm", name, ARMS)
    if len(set(names)) < len(names):
        raise InputError(f"`arms` must be given once each. Received: arms={', '.join(names)}.")
    for name in everywhere:
        if ARMS[name].fill:
            raise InputError(
                f"`everywhere` must not fill rare classes. Received: everywhere={name!r}."
            )
    arms = [ARMS[NONE], *(ARMS[name] for name in names if name != NONE)]
    for name in everywhere:
        arms = [arm.beside(ARMS[name]) for arm in arms]
    for index, arm in enumerate(arms):
        for earlier_arm in arms[:index]:
            if replace(arm, name="", meaning="") == replace(earlier_arm, name="", meaning=""):
                raise InputError(
                    "`arms` must differ beside `everywhere`. Received: "
                    f"{(arm.name, earlier_arm.name)} with everywhere={', '.join(everywhere)}."
                )
    return tuple(arms)
