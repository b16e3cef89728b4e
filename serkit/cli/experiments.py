"""Options and set-up that the experiments share."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import keras
import pandas as pd
import tensorflow as tf

from serkit.audio.augmentation import WaveAugmentation
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.augmentation.arms import wave_augmentation
from serkit.cli.arguments import (
    add_live_option,
    add_recordings,
    add_spectrograms,
    naming_of,
    spec_of,
)
from serkit.datasets.corpus import LABEL_SETS
from serkit.files import write_text
from serkit.gans.base import GANSettings
from serkit.models.speech_features import SpeechFeatures
from serkit.reporting.tables import classifier_report
from serkit.studies.cross_validation import PREDICTIONS, CrossValidation
from serkit.studies.rare_classes import RareClasses, RareClassesSettings
from serkit.studies.run_folder import RunFolder


def experiment_parser(
    description: str, out: str, *, spectrograms: bool = True
) -> argparse.ArgumentParser:
    """Return a parser with the options of every experiment; experiments add further options.

    Args:
        description: the claim or question of the experiment.
        out: default folder of the results.
        spectrograms: whether the experiment computes spectrograms that its options choose.

    Returns:
        A parser with the options of recordings and spectrograms (see
        :mod:`serkit.cli.arguments`), and ``--out``.
    """
    parser = argparse.ArgumentParser(description=description)
    add_recordings(parser)
    if spectrograms:
        add_spectrograms(parser)
    parser.add_argument(
        "--out", type=Path, default=Path(out), help="write here; default: %(default)s"
    )
    return parser


def rare_classes_parser(
    description: str, out: str, labels: tuple[str, ...] = ("female_surprise",)
) -> argparse.ArgumentParser:
    """Return a parser with the options of every experiment with rare classes.

    Args:
        description: the claim or question of the experiment.
        out: default folder of the results.
        labels: default classes to make rare. With one default class ``--class`` takes exactly one
            class, otherwise one or more.

    Returns:
        The parser of :func:`experiment_parser` with ``--class`` (a list), ``--clips`` and
        ``--gan-width``.
    """
    parser = experiment_parser(description, out)
    nargs = 1 if len(labels) == 1 else "+"
    add = parser.add_argument
    add(
        "--class",
        dest="label",
        nargs=nargs,
        default=list(labels),
        help="make these classes rare; default: %(default)s",
    )
    add(
        "--clips",
        type=int,
        default=40,
        help="keep so many training clips of a class, 0 for all; default: %(default)s",
    )
    add(
        "--gan-width",
        dest="width",
        type=float,
        default=0.25,
        help="scale the networks by this, 1 as in the 2021 report; default: %(default)s",
    )
    return parser


def rare_classes_trial(options: argparse.Namespace) -> AbstractContextManager[RareClasses]:
    """Open the rare-class trial that the options ask for; lock its folder until the block ends.

    Enable deterministic TensorFlow operations and set Keras' random seed to 0. Training runs are
    resumed only in a folder that was made with the same options.

    Args:
        options: options of :func:`rare_classes_parser` and of the experiment.

    Raises:
        ResumeError: if the folder was made with other options, or another process uses it.
        InputError: if a class has no clips, or the width is out of range.
    """
    settings = RareClassesSettings(tuple(options.label), options.clips, spec=spec_of(options))
    return _open_rare_classes(options, settings)


def whole_class_parser(description: str, out: str) -> argparse.ArgumentParser:
    """Return a parser with the options of every experiment with one GAN of one emotion.

    Args:
        description: the claim or question of the experiment.
        out: default folder of the results.

    Returns:
        The parser of :func:`experiment_parser` with ``--class``, ``--gan-width`` and ``--seed``.
    """
    parser = experiment_parser(description, out)
    add = parser.add_argument
    add("--class", dest="label", default="surprise", help="emotion; default: %(default)s")
    add(
        "--gan-width",
        dest="width",
        type=float,
        default=0.25,
        help="1 is the 2021 report's networks",
    )
    add("--seed", type=int, default=0)
    return parser


def whole_class_trial(options: argparse.Namespace) -> AbstractContextManager[RareClasses]:
    """Open a trial as :func:`rare_classes_trial`, with all training clips of one emotion.

    Args:
        options: options of :func:`whole_class_parser` and of the experiment.

    Raises:
        ResumeError: if the folder was made with other options, or another process uses it.
        InputError: if the emotion has no clips, or the width is out of range.
    """
    settings = RareClassesSettings(
        (options.label,), clips=0, spec=spec_of(options), label_set="emotion"
    )
    return _open_rare_classes(options, settings)


@contextmanager
def _open_rare_classes(
    options: argparse.Namespace, settings: RareClassesSettings
) -> Iterator[RareClasses]:
    # Check the width before anything is trained.
    GANSettings(width=options.width)
    with run_of(options) as run:
        naming = naming_of(options)
        trial = RareClasses.of_recordings(options.roots, settings, options.out, naming)
        run.begin_work()
        yield trial


def cross_validation_parser(
    description: str, out: str, *, spectrograms: bool = True
) -> argparse.ArgumentParser:
    """Return a parser with the options of every experiment with a classifier.

    Args:
        description: the claim or question of the experiment.
        out: default folder of the results.
        spectrograms: as for :func:`experiment_parser`.

    Returns:
        The parser of :func:`experiment_parser` with ``--labels``, ``--seeds``, ``--folds`` and,
        with spectrograms, ``--live``.
    """
    parser = experiment_parser(description, out, spectrograms=spectrograms)
    add = parser.add_argument
    add("--labels", choices=LABEL_SETS, default="emotion", help="default: %(default)s")
    add("--seeds", type=int, nargs="+", default=[0, 1, 2], help="default: 0 1 2")
    add("--folds", type=int, default=5, help="of speakers; default: %(default)s")
    if spectrograms:
        add_live_option(parser)
    else:
        parser.set_defaults(live=None)
    return parser


@contextmanager
def cross_validation(
    options: argparse.Namespace,
    spec: SpectrogramSpec | SpeechFeatures | None = None,
    speeds: Sequence[float] = (),
    results: str = PREDICTIONS,
    report: Callable[[pd.DataFrame, Sequence[str]], str] = classifier_report,
) -> Iterator[CrossValidation]:
    """Open the cross-validation that the options ask for; print its tables when the block ends.

    Enable deterministic TensorFlow operations and set Keras' random seed to 0. The tables are also
    written to ``report.md`` in the folder. Later calls may add seeds to a folder.

    Args:
        options: options of :func:`cross_validation_parser` and of the experiment.
        spec: all other spectrogram settings than kind and sample rate; default:
            ``SpectrogramSpec()``. Or the encoder whose features take the place of spectrograms.
        speeds: further speeds of the training recordings, in addition to the original speed 1.
            With ``--live`` the speed of each clip is a new random number at each step, from the
            lowest to the highest of 1 and ``speeds``.
        results: name of the table of results that each fold writes last.
        report: returns the tables as Markdown, given the results of all folds and the class names.

    Raises:
        ResumeError: if the folder was made with other options, or another process uses it.
        InputError: if there is only one class, or too few speakers.
    """
    live = None if options.live is None else _live_augmentation(options.live, speeds)
    with run_of(options, "seeds") as run:
        trial = CrossValidation(
            options.roots,
            options.labels,
            spec if isinstance(spec, SpeechFeatures) else spec_of(options, spec),
            options.out,
            options.seeds,
            folds=options.folds,
            speeds=speeds if live is None else (),
            results=results,
            naming=naming_of(options),
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


def _live_augmentation(names: Sequence[str], speeds: Sequence[float]) -> WaveAugmentation:
    augmentation = wave_augmentation(names)
    if not speeds:
        return augmentation
    return replace(augmentation, speed=(min(1.0, *speeds), max(1.0, *speeds)))


def run_of(options: argparse.Namespace, *free: str) -> RunFolder:
    """Open the run folder of an experiment, for a ``with`` statement.

    Enable deterministic TensorFlow operations and set Keras' random seed to 0.

    Args:
        options: options of the experiment; ``--out`` is the folder.
        free: names of options that may change between calls.

    Raises:
        ResumeError: if the folder was made with other options, or another process uses it.
    """
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(0)
    free = ("out", *free)
    return RunFolder(options.out, {k: str(v) for k, v in vars(options).items() if k not in free})
