"""``serkit predict``: classify recordings with an exported model."""

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serkit.cli.arguments import add_engine, engine_of, ray_settings
from serkit.cli.output import print_json
from serkit.errors import check_range
from serkit.formatting import printable

if TYPE_CHECKING:
    from serkit.serving.prediction import Prediction

_COLUMNS = ("file", "label", "abstain", "entropy", "mutual_information", "note", "problem")


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
    voice = parser.add_mutually_exclusive_group()
    voice.add_argument(
        "--enroll",
        nargs="+",
        metavar="FILE|FOLDER",
        help="adapt to the speaker by these recordings of the same speaker, five or more "
        "of various emotions if possible; default: none",
    )
    voice.add_argument(
        "--enroll-neutral",
        nargs="+",
        metavar="FILE|FOLDER",
        help="adapt to the speaker by these recordings, all of them neutral; default: none",
    )
    add(
        "--trust",
        action="store_true",
        help="load a model even if it reads or writes files, or runs Python code: a model is a "
        "program",
    )
    _add_served(parser)
    add_engine(parser)
    parser.set_defaults(run=run)


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
        _print_problem(line)
    has_problem = bool(folder_problems)
    table = _CsvTable(options.top) if options.csv else None
    for prediction in _predictions(options, files):
        has_problem |= bool(prediction.problem)
        if table is not None:
            table.add(prediction)
        elif options.json:
            print_json(_as_json(_most_probable(prediction, options.top)), indent=None)
        else:
            _print_text(_most_probable(prediction, options.top))
    if table is not None:
        table.end()
    return 1 if has_problem else 0


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


def _most_probable(prediction: "Prediction", top: int | None) -> "Prediction":
    """Keep the ``top`` most probable classes, sorted; None returns the prediction unchanged."""
    if top is None:
        return prediction
    return replace(prediction, probabilities=dict(_ranked(prediction)[:top]))


def _ranked(prediction: "Prediction") -> list[tuple[str, float]]:
    """Return classes with their probabilities, the most probable first."""
    return sorted(prediction.probabilities.items(), key=lambda item: -item[1])


def _print_problem(line: str) -> None:
    print(f"serkit predict: {printable(line)}", file=sys.stderr)


def _as_json(prediction: "Prediction") -> dict[str, Any]:
    """Return the fields of a prediction; None for numbers that an unusable file has not."""
    fields = dict(vars(prediction))
    if prediction.problem:
        fields |= {"entropy": None, "mutual_information": None}
    return fields


def _print_text(prediction: "Prediction") -> None:
    if prediction.problem:
        _print_problem(f"{prediction.file}: {prediction.problem}")
    else:
        print(_format_prediction(prediction), flush=True)


class _CsvTable:
    """Write CSV to standard output; only the ``top`` most probable classes of a row have a value.

    The classes are not known before the first usable file. So rows of unusable files before it are
    kept until then.
    """

    def __init__(self, top: int | None) -> None:
        self._top = top
        self._writer: csv.DictWriter | None = None
        self._pending_rows: list[dict[str, object]] = []

    def add(self, prediction: "Prediction") -> None:
        """Write the row of a prediction, or keep it until the classes are known."""
        self._pending_rows.append(self._row(prediction))
        if self._writer is None and prediction.probabilities:
            self._writer = self._write_header(list(prediction.probabilities))
        if self._writer is not None:
            self._write_rows(self._writer)
            self._pending_rows.clear()
            sys.stdout.flush()

    def end(self) -> None:
        """If no file was usable, write the rows that were kept, without class columns."""
        if self._writer is None:
            self._write_rows(self._write_header([]))

    def _write_rows(self, writer: "csv.DictWriter[str]") -> None:
        # A program that reads the table needs the names as they are.
        shown = printable if sys.stdout.isatty() else str
        for row in self._pending_rows:
            writer.writerow({name: shown(str(value)) for name, value in row.items()})

    def _write_header(self, classes: Sequence[str]) -> "csv.DictWriter[str]":
        header = [*_COLUMNS, *(f"p_{printable(label)}" for label in classes)]
        writer = csv.DictWriter(sys.stdout, header, lineterminator="\n")
        writer.writeheader()
        return writer

    def _row(self, prediction: "Prediction") -> dict[str, object]:
        if prediction.problem:
            return {"file": prediction.file, "abstain": True, "problem": prediction.problem}
        row: dict[str, object] = {name: getattr(prediction, name) for name in _COLUMNS}
        for label, probability in _most_probable(prediction, self._top).probabilities.items():
            row[f"p_{printable(label)}"] = probability
        return row


def _predictions(options: argparse.Namespace, files: Sequence[str]) -> Iterator["Prediction"]:
    # Import only what is needed: requests to a server do not need TensorFlow, which loads slowly.
    from serkit.errors import InputError
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
            for line in problems:
                _print_problem(line)
            speaker = loaded.enroll(enrolled, "neutral" if options.enroll_neutral else None)
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
        yield from client.predict(files, options.samples)


def _format_prediction(prediction: "Prediction") -> str:
    abstains = " (abstains)" if prediction.abstain else ""
    probabilities = "  ".join(f"{label} {value:.3f}" for label, value in _ranked(prediction))
    uncertainty = f"entropy {prediction.entropy:.3f} nats"
    if prediction.mutual_information:
        uncertainty += f", of which disagreement {prediction.mutual_information:.3f}"
    lines = [f"{prediction.file}: {prediction.label}{abstains}", probabilities, uncertainty]
    if prediction.note:
        lines.append(f"note: {prediction.note}")
    return "\n   ".join(map(printable, lines))
