"""How waveforms are augmented at each step, by name; without TensorFlow."""

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from serkit.errors import check_choice

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
"""The setting of :class:`serkit.audio.augmentation.WaveAugmentation` that each switches on."""


def augmentation_of(names: Iterable[str]) -> "WaveAugmentation":
    """The augmentation that does all of some.

    Args:
        names: keys of :data:`STRENGTHS`.

    Raises:
        InputError: if a name is not known.
    """
    from serkit.audio.augmentation import WaveAugmentation

    names = tuple(names)
    for name in names:
        check_choice("augmentation", name, STRENGTHS)
    return WaveAugmentation(**dict(STRENGTHS[name] for name in names))


def add_live(parser: argparse.ArgumentParser) -> None:
    """Add ``--live``: None if it is not given, else a list of names.

    Args:
        parser: of a command that trains classifiers.
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
