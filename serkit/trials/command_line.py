"""What the experiments with rare classes have in common on the command line."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import tensorflow as tf

from serkit.runs import Run
from serkit.trials.rare_classes import RareClasses, RareClassesSettings


def rare_classes_parser(
    description: str, out: str, labels: tuple[str, ...] = ("female_surprise",)
) -> argparse.ArgumentParser:
    """Options of every such experiment; each adds its own.

    Args:
        description: what it claims or asks.
        out: folder of the results, if none is given.
        labels: classes that are made rare, if none are given; where this is one, it stays one.

    Returns:
        A parser of ``roots``, ``--label`` (a list), ``--clips``, ``--width`` and ``--out``.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("roots", nargs="+", type=Path, help="folders of recordings")
    count = 1 if len(labels) == 1 else "+"
    parser.add_argument("--label", nargs=count, default=list(labels), help="is made rare")
    parser.add_argument("--clips", type=int, default=40, help="left of it; 0 leaves all")
    parser.add_argument("--width", type=float, default=0.25, help="1 is the report's networks")
    parser.add_argument("--out", type=Path, default=Path(out))
    return parser


@contextmanager
def rare_classes_trial(options: argparse.Namespace) -> Iterator[RareClasses]:
    """The trial that the options ask for, in their folder, which nobody else uses meanwhile.

    From here on operations are deterministic, and Keras' random numbers begin with 0. A folder
    that was made with other options is refused, rather than its trainings gone on with.

    Args:
        options: of :func:`rare_classes_parser` and any others.

    Raises:
        ResumeError: if the folder was made with other options.
        InputError: if a class has no clips.
    """
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(0)
    asked = {name: str(value) for name, value in vars(options).items() if name != "out"}
    settings = RareClassesSettings(tuple(options.label), options.clips)
    with Run(options.out, asked):
        yield RareClasses(options.roots, settings, options.out)
