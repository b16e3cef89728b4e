"""``serkit predict``: classify recordings with an exported model."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serkit.cli.arguments import add_engine, engine_of, ray_settings
from serkit.cli.output import print_json
from serkit.cli.predict_output import (
    CsvTable,
    as_json,
    most_probable,
    print_message,
    print_text,
)
from serkit.errors import InputError, check_range
from serkit.formatting import counted

if TYPE_CHECKING:
    from serkit.serving.prediction import Prediction


def add_to(commands) -> None:
    parser = commands.add_parser(
        "predict",
        help="classify recordings with an exported model",
        description="Classifies WAV, FLAC, MP3 and Ogg Vorbis files. A file that cannot be used is "
        "reported in one line, and the others are classified; the exit status is then 1. Entropy "
        "is the uncertainty of a prediction in nats: 0 is certain; above a threshold of the model "
        "it abstains.",
    )
    add = parser.add_argument
    add(
        "model",
        metavar="MODEL",
        help="folder of a SavedModel, or address of a served one: http://HOST:8501/v1/models/NAME, "
        "https://HOST/v1/models/NAME, grpc://HOST:8500/NAME",
    )
    add(
        "files",
        nargs="+",
        metavar="FILE|FOLDER|CSV",
        help="classify a recording, those in a folder or NAME=FOLDER, at any depth, or those that "
        "a CSV (path,label,speaker) or the manifest.csv of an audit lists",
    )
    add(
        "--timeline",
        action="store_true",
        help="classify windows of 3 s, a second apart; default: each recording as a whole",
    )
    add(
        "--figure",
        type=Path,
        metavar="PNG",
        help="with --timeline, draw the probabilities of one recording over time; default: none",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print a line of JSON per file")
    form.add_argument(
        "--csv", action="store_true", help="print a table: a row per file, a column per class"
    )
    add("--top", type=int, metavar="N", help="show only the N most probable classes; default: all")
    add(
        "--samples",
        type=int,
        metavar="N",
        help="draw so many Monte Carlo samples of a model with random layers; default: the number "
        "that was exported with it",
    )
    _add_enrollment(parser)
    add(
        "--trust",
        action="store_true",
        help="load a model even if it reads or writes files, or runs Python code: a model is a "
        "program",
    )
    _add_served(parser)
    add_engine(parser)
    parser.set_defaults(run=run)


def _add_enrollment(parser: argparse.ArgumentParser) -> None:
    voice = parser.add_mutually_exclusive_group()
    voice.add_argument(
        "--enroll",
        nargs="+",
        metavar="FILE|FOLDER",
        help="adapt to the speaker by these recordings of the same speaker, five or more "
        "of various emotions if possible; give it after the files; default: none",
    )
    voice.add_argument(
        "--enroll-neutral",
        nargs="+",
        metavar="FILE|FOLDER",
        help="adapt to the speaker by these recordings, all of them neutral; give it after the "
        "files; default: none",
    )


def _add_served(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("a served model").add_argument
    add(
        "--time-out",
        type=float,
        metavar="SECONDS",
        help="wait so long for an answer, in each attempt; default: 60",
    )
    add(
        "--attempts",
        type=int,
        metavar="N",
        help="try so often if a server does not answer or is busy; default: 4",
    )
    add(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="send the token in this file; default: none",
    )


def run(options: argparse.Namespace) -> int:
    """Print the prediction of each file; return 1 if a file or folder could not be used."""
    if options.top is not None:
        check_range("top", options.top, 1)
    files, folder_problems = _find_files(options.files)
    for line in folder_problems:
        print_message(line)
    _check_figure(options, files)
    drawn: list[Any] = []
    has_problem = bool(folder_problems)
    table = CsvTable(options.top) if options.csv else None
    for prediction in _predictions(options, files):
        has_problem |= bool(prediction.problem)
        if options.figure and not prediction.problem:
            drawn.append(prediction)
        if table is not None:
            table.add(prediction)
        elif options.json:
            print_json(as_json(most_probable(prediction, options.top)), indent=None)
        else:
            print_text(most_probable(prediction, options.top))
    if table is not None:
        table.end()
    if drawn:
        from serkit.reporting.page import write_png
        from serkit.reporting.spectrogram_figures import timeline_figure

        write_png(options.figure, timeline_figure(drawn, Path(drawn[0].file).name))
    return 1 if has_problem else 0


def _check_figure(options: argparse.Namespace, files: Sequence[str]) -> None:
    if options.figure and not (options.timeline and len(files) == 1):
        raise InputError(
            "--figure needs --timeline and one recording. Received: "
            f"{counted(len(files), 'recording')}, "
            f"{'with' if options.timeline else 'without'} --timeline."
        )
    if options.figure and options.figure.suffix.lower() != ".png":
        raise InputError(f"--figure must end in .png. Received: {options.figure}.")
    if options.timeline and (options.samples is not None or options.engine == "ray"):
        raise InputError("--timeline goes with neither --samples nor --engine ray")


def _find_files(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the recordings, also those of folders and tables, and messages about unusable ones."""
    files: list[str] = []
    problems: list[str] = []
    for argument in arguments:
        path = Path(argument)
        is_table = path.suffix.lower() == ".csv"
        if not (path.is_dir() or is_table or "=" in argument):
            files.append(argument)
            continue
        # These imports are slow; for single recordings they are not needed.
        from serkit.datasets.audit import is_manifest
        from serkit.datasets.corpus import Corpus
        from serkit.datasets.custom import read_table
        from serkit.datasets.roots import find_recordings, split_root

        _, path = split_root(argument)
        folder, found, findings = path, [str(path)], ()
        if path.is_dir():
            found, findings = find_recordings(path, "")
        elif is_manifest(path):
            found = Corpus.read(path).files()
        elif path.is_file() and path.suffix.lower() == ".csv":
            folder = path.parent
            found, findings = read_table(path, "")
        else:
            folder = Path()
        files += [str(folder / file) for file in found]
        problems += [f"{folder / finding.path}: {finding.reason}" for finding in findings]
    return files, problems


def _predictions(options: argparse.Namespace, files: Sequence[str]) -> Iterator["Prediction"]:
    # Import only what is needed: requests to a server do not need TensorFlow, which loads slowly.
    from serkit.serving.transport import is_address

    model, samples = options.model, options.samples
    for name in ("enroll", "enroll_neutral"):
        if getattr(options, name) and (is_address(model) or options.engine == "ray"):
            raise InputError(
                f"--{name.replace('_', '-')} needs the folder of a model, without --engine ray. "
                f"Received: {model!r}."
            )
    if is_address(model):
        if options.engine == "ray":
            raise InputError(f"--engine ray needs the folder of a model. Received: {model!r}.")
        return _predict_with_server(options, files)
    for name in ("time_out", "attempts", "token_file"):
        if getattr(options, name) is not None:
            raise InputError(
                f"--{name.replace('_', '-')} needs the address of a server. Received: {model!r}."
            )
    if options.engine == "ray":
        from serkit.serving.ray_prediction import predict_on_ray

        return predict_on_ray(model, files, ray_settings(options), samples, trust=options.trust)
    return _predict_here(options, files)


def _predict_here(options: argparse.Namespace, files: Sequence[str]) -> Iterator["Prediction"]:
    # This sets TensorFlow's threads.
    engine_of(options)
    import tensorflow as tf

    from serkit.serving.local import load_model

    # Optimising the graph would take longer than some hundred predictions.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    try:
        loaded = load_model(options.model, trust=options.trust)
        speaker = None
        if recordings := options.enroll or options.enroll_neutral:
            enrolled, problems = _find_files(recordings)
            if problems:
                raise InputError(f"for enrollment, {problems[0]}")
            speaker = loaded.enroll(enrolled, "neutral" if options.enroll_neutral else None)
            clips = counted(len(enrolled), "recording")
            print_message(f"adapted to the speaker of {clips}")
        if options.timeline:
            yield from _timelines(loaded, files, speaker)
        else:
            yield from loaded.predict(files, options.samples, speaker=speaker)
    finally:
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})


def _predict_with_server(
    options: argparse.Namespace, files: Sequence[str]
) -> Iterator["Prediction"]:
    from serkit.serving.client import connect
    from serkit.serving.retries import ClientSettings, read_token

    defaults = ClientSettings()
    timeout = defaults.read_seconds if options.time_out is None else options.time_out
    attempts = defaults.attempts if options.attempts is None else options.attempts
    # The default deadline must not end the attempts that the user asked for.
    deadline = min(max(defaults.deadline_seconds, 2 * timeout * attempts), 86_400.0)
    settings = ClientSettings(
        read_seconds=timeout,
        attempts=attempts,
        deadline_seconds=deadline,
        token=read_token(options.token_file) if options.token_file else "",
    )
    with connect(options.model, settings) as client:
        if options.timeline:
            yield from _timelines(client, files)
        else:
            yield from client.predict(files, options.samples)


def _timelines(model: Any, files: Sequence[str], speaker: Any = None) -> Iterator["Prediction"]:
    from serkit.serving.timeline import timeline

    for file in files:
        yield from timeline(model, file, speaker=speaker)
