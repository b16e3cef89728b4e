"""Spectrograms on the command line: the same options for all that trains."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from serkit.audio.spectrogram import SpectrogramSpec

_KINDS = ("mel", "log", "linear")


def add_spectrograms(parser: argparse.ArgumentParser) -> None:
    """Add ``--kind`` and ``--sample-rate``.

    Args:
        parser: of a command or an experiment; :func:`spec_of` reads what it parsed.
    """
    parser.add_argument(
        "--kind",
        choices=_KINDS,
        default="mel",
        help="how the frequencies of spectrograms are spread; default: %(default)s",
    )
    parser.add_argument(
        "--sample-rate",
        type=int,
        default=16_000,
        metavar="HZ",
        help="resample recordings to this, such as 22050; spectrograms then reach up to half of "
        "it and cover the same 3.6 s; default: %(default)s",
    )


def spec_of(
    options: argparse.Namespace, base: "SpectrogramSpec | None" = None
) -> "SpectrogramSpec":
    """The spectrograms that were asked for.

    Args:
        options: of :func:`add_spectrograms`.
        base: what they are like in all but kind and rate; default: the default.

    Raises:
        InputError: for a rate at which they cannot be computed.
    """
    from serkit.audio.spectrogram import SpectrogramSpec

    return SpectrogramSpec.at_rate(options.sample_rate, options.kind, base)
