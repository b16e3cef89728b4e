"""``serkit export``: export a model for TF Serving, from a run or from Keras files."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from serkit.cli.arguments import field_values
from serkit.errors import InputError
from serkit.export.versions import MODEL_CARD

FORMATS = ("litert", "onnx")
_RUN_OPTIONS = ("arm", "coverage", "accuracy", "cache", "classifier", "fold")
_FILE_OPTIONS = ("classes", "spec", "temperature", "threshold")


def add_to(commands) -> None:
    parser = commands.add_parser(
        "export",
        help="export a model for TF Serving and serkit serve",
        description="Exports the best classifier of a finished run, or networks from .keras files, "
        "as a SavedModel from the bytes of WAV files to probabilities, with a model card. With "
        "--format, converts an exported model to one file, from a waveform to probabilities.",
    )
    add = parser.add_argument
    add(
        "sources",
        nargs="+",
        type=Path,
        metavar="RUN|MODEL",
        help="folder of serkit demo or serkit compare, or a .keras file; several files form an "
        "ensemble; with --format the folder of an exported model",
    )
    add(
        "--out",
        type=Path,
        required=True,
        metavar="saved_models/NAME[/VERSION]",
        help="write here; without a version to the next free one; no version is overwritten; with "
        "--format the file",
    )
    add(
        "--format",
        choices=FORMATS,
        help="convert an exported model to this; default: export a SavedModel",
    )
    add(
        "--int8",
        action="store_true",
        help="store the weights of the converted model in 8 bits; default: no",
    )
    add(
        "--samples",
        type=int,
        default=30,
        help="draw so many Monte Carlo samples of a Bayesian network; default: %(default)s",
    )
    _add_run_options(parser)
    _add_file_options(parser)
    parser.set_defaults(run=run)


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("of a run")
    add = group.add_argument
    add(
        "--arm",
        help="export the classifier of this arm, of a demo also original or augmented; default: "
        "the best on the validation speakers",
    )
    targets = group.add_mutually_exclusive_group()
    targets.add_argument(
        "--coverage",
        type=float,
        help="abstain from all but this fraction of the validation speakers' clips, 0.01 to 1; "
        "default: 0.9",
    )
    targets.add_argument(
        "--accuracy",
        type=float,
        help="abstain so that this fraction of the answers is correct, 0.01 to 1; default: as "
        "--coverage",
    )
    add("--cache", type=Path, help="read the run's cache from here; default: its run folder")
    title = "of a comparison, whose networks are trained again, one per seed"
    add = parser.add_argument_group(title).add_argument
    add("--classifier", help="export this classifier of the comparison; default: the first")
    add("--fold", type=int, help="train on the training speakers of this fold; default: 1")


def _add_file_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("of Keras files").add_argument
    add("--classes", nargs="+", help="name the outputs in their order; default: those of the file")
    add(
        "--spec",
        type=Path,
        metavar="JSON",
        help="read the spectrogram settings of the training from here; default: serkit's",
    )
    add("--temperature", type=float, help="divide the logits by this; default: 1")
    add("--threshold", type=float, help="abstain above this entropy in nats; default: never")


def run(options: argparse.Namespace) -> int:
    """Export the model, and print its path and the next commands."""
    for source in options.sources:
        if not source.exists():
            raise InputError(f"{source} does not exist; valid is a run's folder, or .keras files")
    if options.int8 and not options.format:
        raise InputError("--int8 must not be given without --format")
    if options.format:
        return _convert(options)
    first_source = options.sources[0]
    if first_source.is_dir():
        if len(options.sources) > 1:
            raise InputError(f"{len(options.sources)} sources; valid is one run, or .keras files")
        _require_not_given(options, "a run", _FILE_OPTIONS)
        version = _export_run(options, first_source)
    else:
        _require_not_given(options, "Keras files", _RUN_OPTIONS)
        version = _export_files(options)
    print(
        f"{version}\n"
        f"what it is: {version / MODEL_CARD}\n"
        f"try it:     serkit predict {version} FILE.wav\n"
        f"serve it:   serkit serve {version.parent}"
    )
    return 0


def _convert(options: argparse.Namespace) -> int:
    _require_not_given(options, "--format", (*_RUN_OPTIONS, *_FILE_OPTIONS))
    if len(options.sources) > 1:
        raise InputError(f"{len(options.sources)} sources; valid is one exported model")
    from serkit.cli.running import stderr_off

    from serkit.export.portable import convert_model

    # The converters log each step.
    with stderr_off():
        file = convert_model(options.sources[0], options.out, options.format, int8=options.int8)
    print(f"{file}\nlabels and sample rate: {file.with_suffix('.json')}")
    return 0


def _require_not_given(options: argparse.Namespace, source_kind: str, names: Sequence[str]) -> None:
    given = [f"--{name}" for name in names if getattr(options, name) is not None]
    if given:
        raise InputError(f"{', '.join(given)} must not be given with {source_kind}")


def _export_run(options: argparse.Namespace, folder: Path) -> Path:
    from serkit.studies.deployment import AbstentionSettings, export_classifier
    from serkit.studies.finished_comparison import open_classifier_to_export

    coverage = options.coverage
    if coverage is None and options.accuracy is None:
        coverage = AbstentionSettings.coverage
    # Raise for values that are not valid before anything is trained.
    settings = AbstentionSettings(coverage, options.accuracy, options.samples)
    fold = 1 if options.fold is None else options.fold
    given = open_classifier_to_export(
        folder, options.arm, options.classifier, fold, cache=options.cache
    )
    print(f"arm {given.metadata['arm']} of {folder}")
    return export_classifier(given, options.out, settings)


def _export_files(options: argparse.Namespace) -> Path:
    if not options.classes:
        raise InputError("no --classes; valid are the labels, in the order of the model's outputs")
    from serkit.audio.spectrogram import SpectrogramSpec
    from serkit.export.exportable_model import ExportableModel, PredictionSettings, load_network
    from serkit.export.saved_model import export_model
    from serkit.files import read_json
    from serkit.serialization import restored

    spec = SpectrogramSpec()
    if options.spec is not None:
        try:
            spec = restored(SpectrogramSpec, read_json(options.spec))
        except (OSError, ValueError) as error:
            raise InputError(f"--spec {options.spec}: {error}") from error
    networks = [load_network(file) for file in options.sources]
    settings = PredictionSettings(**field_values(options, PredictionSettings))
    return export_model(ExportableModel(networks, spec, options.classes, settings), options.out)
