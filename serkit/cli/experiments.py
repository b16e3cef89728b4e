"""Options and set-up that the experiments share."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import keras
import pandas as pd
import tensorflow as tf

from serkit.audio.augmentation import WaveAugmentation
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.augmentation.arms import add_live, augmentation_of
from serkit.cli.arguments import NAMING, add_recordings, add_spectrograms, naming_of, spec_of
from serkit.datasets.corpus import LABEL_SETS
from serkit.files import write_text
from serkit.gans.base import GANSettings
from serkit.gans.dcgan import SMALL_DATA
from serkit.reporting.tables import classifier_report
from serkit.studies.cross_validation import PREDICTIONS, CrossValidation
from serkit.studies.rare_classes import RareClasses, RareClassesSettings
from serkit.studies.run_folder import Run

# Options that came later, and their default: folders of earlier experiments do not have them.
_LATER = {
    "kind": "mel",
    "sample_rate": 16_000,
    "recipe": SMALL_DATA,
    "stop": None,
    "live": None,
}


def experiment_parser(description: str, out: str) -> argparse.ArgumentParser:
    """Options of every experiment; each adds its own.

    Args:
        description: what it claims or asks.
        out: folder of the results, if none is given.

    Returns:
        A parser of recordings, spectrograms and ``--out``, see
        :mod:`serkit.cli.arguments` and :mod:`serkit.cli.arguments`.
    """
    parser = argparse.ArgumentParser(description=description)
    add_recordings(parser)
    add_spectrograms(parser)
    parser.add_argument("--out", type=Path, default=Path(out), help="default: %(default)s")
    return parser


def rare_classes_parser(
    description: str, out: str, labels: tuple[str, ...] = ("female_surprise",)
) -> argparse.ArgumentParser:
    """Options of every experiment with rare classes; each adds its own.

    Args:
        description: what it claims or asks.
        out: folder of the results, if none is given.
        labels: classes that are made rare, if none are given; where this is one, it stays one.

    Returns:
        That of :func:`experiment_parser`, with ``--label`` (a list), ``--clips`` and ``--width``.
    """
    parser = experiment_parser(description, out)
    count = 1 if len(labels) == 1 else "+"
    parser.add_argument("--label", nargs=count, default=list(labels), help="is made rare")
    parser.add_argument("--clips", type=int, default=40, help="left of it; 0 leaves all")
    parser.add_argument("--width", type=float, default=0.25, help="1 is the 2021 report's networks")
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
        InputError: if a class has no clips, or the width is out of range.
    """
    # Knows what is valid, before anything is trained.
    GANSettings(width=options.width)
    with run_of(options) as run:
        spec = spec_of(options)
        settings = RareClassesSettings(tuple(options.label), options.clips, spec=spec)
        given = options.roots, settings, options.out, naming_of(options)
        trial = RareClasses.of_recordings(*given)
        run.begin_work()
        yield trial


def cross_validation_parser(description: str, out: str) -> argparse.ArgumentParser:
    """Options of every experiment with a classifier; each adds its own.

    Args:
        description: what it claims or asks.
        out: folder of the results, if none is given.

    Returns:
        That of :func:`experiment_parser`, with ``--labels``, ``--seeds``, ``--folds`` and
        ``--live``.
    """
    parser = experiment_parser(description, out)
    parser.add_argument("--labels", choices=LABEL_SETS, default="emotion")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--folds", type=int, default=5)
    add_live(parser)
    return parser


@contextmanager
def cross_validation(
    options: argparse.Namespace,
    spec: SpectrogramSpec | None = None,
    speeds: Sequence[float] = (),
    results: str = PREDICTIONS,
    report: Callable[[pd.DataFrame, Sequence[str]], str] = classifier_report,
) -> Iterator[CrossValidation]:
    """The folds that the options ask for; at the end the tables are printed and written.

    Operations are deterministic from here on. ``report.md`` in the folder gets the tables. Seeds
    may be added to a folder later.

    Args:
        options: of :func:`cross_validation_parser` and any others.
        spec: spectrograms, in all but kind and rate; default: the default.
        speeds: that recordings are played at to train on, beside their own; with ``--live`` any
            speed between the lowest and the highest of these and their own, anew at each step.
        results: name of the table that each fold keeps last.
        report: makes the tables of these and of the names of all classes, as Markdown.

    Raises:
        ResumeError: if the folder was made with other options.
        InputError: if there is only one class, or too few speakers.
    """
    live = None if options.live is None else _live(options.live, speeds)
    with run_of(options, "seeds") as run:
        trial = CrossValidation(
            *(
                options.roots,
                options.labels,
                spec_of(options, spec),
                options.out,
                options.seeds,
                options.folds,
            ),
            *(speeds if live is None else (), results, naming_of(options)),
            live=live,
        )
        try:
            yield trial
        finally:
            if trial.has_begun():
                run.begin_work()
        text = report(trial.predictions(), trial.classes)
        write_text(options.out / "report.md", text)
        print(f"{text}\nper cent where nothing else is said; written: {options.out / 'report.md'}")


def _live(names: Sequence[str], speeds: Sequence[float]) -> WaveAugmentation:
    found = augmentation_of(names)
    return replace(found, speed=(min(1.0, *speeds), max(1.0, *speeds))) if speeds else found


def run_of(options: argparse.Namespace, *free: str) -> Run:
    """The run folder of an experiment's options, for a ``with`` statement.

    Operations are deterministic from here on, and Keras' random numbers begin with 0.

    Args:
        options: of the experiment; ``--out`` is the folder.
        free: options that may change between calls.

    Raises:
        ResumeError: if the folder was made with other options, or another process uses it.
    """
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(0)
    # Nor do these have the options that say how recordings are named.
    free = ("out", *free, *(name for name in NAMING if not getattr(options, name)))
    shown = {
        name: value
        for name, value in vars(options).items()
        if name not in free and (name not in _LATER or value != _LATER[name])
    }
    return Run(options.out, {name: str(value) for name, value in shown.items()})
