"""Options that several commands and experiments share."""

import argparse
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serkit.augmentation.arms import WAVE_AUGMENTATIONS
from serkit.datasets.corpus import LABEL_SETS
from serkit.datasets.imbalance import RARE_BELOW
from serkit.errors import InputError

# The names of serkit.studies.classifier_kinds; that module imports TensorFlow.
ENCODERS = [f"whisper-{size}" for size in ("tiny", "base", "small", "medium")]
ENCODERS = [name + language for name in ENCODERS for language in (".en", "")]
ENCODERS += [f"whisper-large-{version}" for version in ("v1", "v2", "v3", "v3-turbo")]
NETWORKS = ("compact", "vgg16-half-freeze", "vgg16-head", "resnet50-head")
CLASSIFIERS = (*NETWORKS, *ENCODERS, "features")

if TYPE_CHECKING:
    from serkit.audio.spectrogram import SpectrogramSpec
    from serkit.datasets.custom import Naming
    from serkit.tasks.ray import RaySettings


def add_recordings(
    parser: argparse.ArgumentParser,
    nargs: str = "+",
    default: str = "",
) -> None:
    """Add ``ROOT…``, ``--pattern``, ``--label-names`` and ``--genders``.

    Args:
        parser: parser of a command or an experiment; :func:`recordings_of` and :func:`naming_of`
            read the parsed options.
        nargs: ``+``, or ``*`` if the command has default recordings.
        default: name of the default recordings, for the help text.
    """
    parser.add_argument(
        "roots",
        nargs=nargs,
        type=Path,
        metavar="ROOT",
        help="read a folder, NAME=FOLDER (ravdess=…, mine=…), CSV (path,label,speaker), or the "
        "manifest.csv of an audit" + (f"; default: {default}" if default else ""),
    )
    parser.add_argument(
        "--pattern",
        default="",
        metavar="REGEX",
        help="read labels from paths below ROOT by this; named groups: label, and where known "
        "speaker, gender, sentence, intensity, repetition; for example "
        r"'(?P<speaker>\d\d)(?P<sentence>[ab]\d\d)(?P<label>[A-Z])' for EMO-DB; "
        "default: names of the four corpora, or a folder per label",
    )
    for option_name, what, example in (
        ("--label-names", "labels", "W=angry,L=bored"),
        ("--genders", "speakers to genders", "03=male,08=female"),
    ):
        parser.add_argument(
            option_name,
            action="extend",
            nargs="+",
            default=[],
            metavar="A=B",
            help=f"map {what}, for example {example}; default: names that serkit knows",
        )


def recordings_of(options: argparse.Namespace) -> tuple[str, ...]:
    """Return the given recordings with absolute paths: ``PATH`` or ``NAME=PATH``.

    Raises:
        InputError: if one of the paths does not exist.
    """
    from serkit.datasets.roots import absolute_root, require_roots_exist

    require_roots_exist(options.roots)
    return tuple(map(absolute_root, options.roots))


def root_name(root: str) -> str:
    """Return a short name of a root of :func:`recordings_of`, for a folder of results."""
    from serkit.datasets.audit import is_manifest
    from serkit.datasets.roots import split_root

    name, path = split_root(root)
    # All manifests have the same file name; the name of the audit's folder identifies them.
    if name:
        return name
    return path.parent.name if is_manifest(path) else path.name


def naming_of(options: argparse.Namespace) -> "Naming":
    """Return the naming rules of the user's own recordings.

    Raises:
        InputError: if the pattern or an ``A=B`` pair is not valid.
    """
    from serkit.datasets.custom import Naming

    return Naming(
        options.pattern,
        _parse_pairs("label-names", options.label_names),
        _parse_pairs("genders", options.genders),
    )


def _parse_pairs(option: str, arguments: Sequence[str]) -> dict[str, str]:
    """Parse the arguments ``A=B`` of an option, separated by spaces or commas."""
    values = {}
    for pair in ",".join(arguments).split(","):
        if not pair:
            continue
        name, _, value = pair.partition("=")
        if not name or not value:
            raise InputError(f"--{option} {pair!r} is not of the form A=B")
        values[name] = value
    return values


def add_spectrograms(parser: argparse.ArgumentParser) -> None:
    """Add ``--kind`` and ``--sample-rate``.

    Args:
        parser: parser of a command or an experiment; :func:`spec_of` reads the parsed options.
    """
    add = parser.add_argument
    add(
        "--kind",
        choices=("mel", "log", "linear"),
        default="mel",
        help="space the frequency bands of spectrograms like this; default: %(default)s",
    )
    add(
        "--sample-rate",
        type=int,
        default=16_000,
        metavar="HZ",
        help="resample recordings to this many Hz, for example 22050; spectrograms then reach up "
        "to half of it and cover the same 3.6 s; default: %(default)s",
    )


def spec_of(
    options: argparse.Namespace, base: "SpectrogramSpec | None" = None
) -> "SpectrogramSpec":
    """Return the spectrogram settings that the options ask for.

    Args:
        options: options of :func:`add_spectrograms`.
        base: all other settings than kind and sample rate; default: ``SpectrogramSpec()``.

    Raises:
        InputError: if spectrograms cannot be computed at the sample rate.
    """
    from serkit.audio.spectrogram import SpectrogramSpec

    return SpectrogramSpec.at_rate(options.sample_rate, options.kind, base)


def add_study(parser: argparse.ArgumentParser, labels: str = "emotion") -> None:
    """Add ``--labels``, ``--seed``, ``--epochs`` and ``--short``.

    Args:
        parser: parser of a command that trains classifiers.
        labels: default of ``--labels``.
    """
    add = parser.add_argument
    sizes = ", ".join(f"{len(classes)} of {name}" for name, classes in LABEL_SETS.items())
    add(
        "--labels",
        choices=LABEL_SETS,
        default=labels,
        help=f"predict these classes: {sizes}; default: %(default)s",
    )
    add(
        "--seed",
        type=int,
        default=0,
        help="draw all random numbers from this; default: %(default)s",
    )
    add("--epochs", type=int, help="train each classifier so long; default: 30")
    add(
        "--short",
        action="store_true",
        help="train as little as possible where no option says more, to see that everything runs",
    )


def add_live_option(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--live``.

    Its value is a list of keys of :data:`serkit.augmentation.arms.WAVE_AUGMENTATIONS`. An empty
    list computes spectrograms at each step without augmentation. If the option is not given, the
    value is None.

    Args:
        parser: parser of a command that trains classifiers.
    """
    names = ", ".join(WAVE_AUGMENTATIONS)
    parser.add_argument(
        "--live",
        nargs="*",
        choices=WAVE_AUGMENTATIONS,
        metavar="AUGMENTATION",
        help="compute spectrograms from waveforms at each training step, after random "
        f"augmentations of the waveforms: any of {names}, or none, such as --live noise speed; "
        "default: compute each spectrogram once, without these augmentations",
    )


def add_filling(parser: argparse.ArgumentParser) -> None:
    """Add ``--rare-below``, ``--gan-recipe`` and ``--cache``.

    Args:
        parser: parser of a command that fills up rare classes with samples of GANs.
    """
    add = parser.add_argument
    add(
        "--rare-below",
        type=float,
        default=RARE_BELOW,
        metavar="FRACTION",
        help="fill up classes with fewer training clips than this fraction of the largest class; "
        "default: %(default)s",
    )
    add(
        "--gan-recipe",
        choices=["small-data", "report"],
        default="small-data",
        help="train DCGANs like this; report is the 2021 report's way: both discriminators, "
        "batches of 128, no pretraining, no augmentation; default: %(default)s",
    )
    add(
        "--cache",
        type=Path,
        metavar="DIR",
        help="keep spectrograms, GANs and training runs here; runs may share it one after the "
        "other; default: in the run folder",
    )


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where tasks run, as one group of the help text."""
    group = parser.add_argument_group("where the work is done")
    add = group.add_argument
    add(
        "--engine",
        choices=["local", "ray"],
        default="local",
        help="run tasks one after the other in this process (local), or in parallel on a Ray "
        "cluster (ray, needs pip install 'serkit[ray]'); default: %(default)s",
    )
    add("--address", default="", help="use the cluster at host:port; default: this machine")
    add("--cpus", type=float, default=1.0, help="reserve so many CPUs for a task; default: 1")
    add("--gpus", type=float, default=0.0, help="reserve so many GPUs, for example 0.5; default: 0")
    add(
        "--threads",
        type=int,
        default=0,
        help="give TensorFlow so many threads for a task; the last bits of results depend on it; "
        "default: the number of cores",
    )
    add(
        "--retries",
        type=int,
        default=3,
        help="repeat a task whose node was lost so often; default: 3",
    )
    add(
        "--storage",
        dest="share",
        default="",
        metavar="URL",
        help="exchange results of machines without a common folder here, for example "
        "s3://bucket/run; default: the run folder",
    )


def add_features(parser: argparse.ArgumentParser) -> None:
    """Add ``--features``, the file of the user's own features."""
    parser.add_argument(
        "--features",
        type=lambda file: str(Path(file).resolve()),
        metavar="FILE",
        help="classify these features of the recordings, which another program computed: .npy with "
        "a row per clip of the only ROOT's manifest, or .parquet or .csv with the column "
        "sha256 or path; default: none",
    )


def engine_of(options: argparse.Namespace) -> AbstractContextManager[Any]:
    """Return a context manager that yields the engine that the options ask for.

    An engine runs tasks: :class:`serkit.tasks.graph.LocalEngine` or
    :class:`serkit.tasks.ray.RayEngine`.

    With ``--engine local``, ``--threads`` sets TensorFlow's threads in this process.

    Raises:
        InputError: if an option is not valid, or if Ray is not installed.
        SchedulerError: if no cluster answers at the address.
    """
    from serkit.tasks.graph import LocalEngine
    from serkit.tasks.ray import RayEngine, RaySettings

    settings = ray_settings(options)
    if options.engine == "local":
        for name in ("address", "cpus", "gpus", "retries", "share"):
            if getattr(settings, name) != getattr(RaySettings, name):
                raise InputError(f"`{name}` must not be given without --engine ray.")
        if options.threads:
            import tensorflow as tf

            tf.config.threading.set_intra_op_parallelism_threads(options.threads)
            tf.config.threading.set_inter_op_parallelism_threads(options.threads)
        return nullcontext(LocalEngine())
    return RayEngine(settings)


def ray_settings(options: argparse.Namespace) -> "RaySettings":
    """Return the Ray settings that the options ask for.

    Raises:
        InputError: if an option is not valid.
    """
    from serkit.tasks.ray import RaySettings

    return RaySettings(**field_values(options, RaySettings))


def field_values(options: argparse.Namespace, settings_class: type) -> dict[str, Any]:
    """Return the values of the options that have the names of a settings class's fields.

    Options that were not given (None) are left out. Lists become tuples, because settings hold
    tuples.

    Args:
        options: parsed options.
        settings_class: the dataclass.
    """
    values = {}
    for field in fields(settings_class):
        value = getattr(options, field.name, None)
        if value is not None:
            values[field.name] = tuple(value) if isinstance(value, list) else value
    return values
