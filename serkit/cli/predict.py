"""``serkit predict``: classify recordings with an exported model."""

import argparse
import csv
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from serkit.cli.arguments import add_engine, ray_settings
from serkit.errors import check_range

if TYPE_CHECKING:
    from serkit.serving.prediction import Prediction

_COLUMNS = ("file", "label", "abstain", "entropy", "mutual_information", "note", "problem")


def add_to(commands) -> None:
    parser = commands.add_parser(
        "predict",
        help="classify recordings with an exported model",
        description="Classifies WAV, FLAC, MP3 and Ogg Vorbis files. A file that cannot be used is "
        "reported in one line, and the others are classified; the exit status is then 1.",
    )
    add = parser.add_argument
    add(
        "model",
        metavar="MODEL",
        help="folder of a SavedModel, or address of a served one: http://HOST:8501/v1/models/NAME, "
        "https://HOST/v1/models/NAME, grpc://HOST:8500/NAME",
    )
    add("files", nargs="+", metavar="FILE|FOLDER", help="folders are searched at any depth")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object per file")
    form.add_argument(
        "--csv", action="store_true", help="a table: a row per file, a column per class"
    )
    add("--top", type=int, metavar="N", help="show only the N most probable classes; default: all")
    add(
        "--samples",
        type=int,
        metavar="N",
        help="number of Monte Carlo samples of a model with random layers; default: the number "
        "that was exported with it",
    )
    group = parser.add_argument_group("a served model")
    group.add_argument(
        "--time-out",
        type=float,
        metavar="SECONDS",
        help="timeout of an answer, in each attempt; default: 60",
    )
    group.add_argument(
        "--attempts",
        type=int,
        metavar="N",
        help="maximum number of attempts if a server does not answer or is busy; default: 4",
    )
    add_engine(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the prediction of each file; return 1 if a file or folder could not be used."""
    if options.top is not None:
        check_range("top", options.top, 1)
    files, unsearched = _files(options.files)
    for line in unsearched:
        _complain(line)
    bad = len(unsearched)
    show = _Table(options.top) if options.csv else _show_json if options.json else _show_text
    for prediction in _predictions(options, files):
        bad += bool(prediction.problem)
        show(prediction if options.csv else _most_probable(prediction, options.top))
    if options.csv:
        show.end()
    return 1 if bad else 0


def _files(given: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the given files and those in given folders, and messages about skipped folders."""
    files: list[str] = []
    unsearched: list[str] = []
    for path in map(Path, given):
        if not path.is_dir():
            files.append(str(path))
            continue
        # This import is slow, because it loads the audit; without folders it is not needed.
        from serkit.datasets.roots import find_recordings

        found, findings = find_recordings(path, "")
        files += [str(path / file) for file in found]
        unsearched += [f"{path / finding.path}: {finding.reason}" for finding in findings]
    return files, unsearched


def _most_probable(prediction: "Prediction", top: int | None) -> "Prediction":
    """Keep the ``top`` most probable classes, sorted; None returns the prediction unchanged."""
    if top is None:
        return prediction
    ranked = sorted(prediction.probabilities.items(), key=lambda item: -item[1])
    return replace(prediction, probabilities=dict(ranked[:top]))


def _complain(line: str) -> None:
    print(f"serkit predict: {line}", file=sys.stderr)


def _show_json(prediction: "Prediction") -> None:
    print(json.dumps(vars(prediction), ensure_ascii=False), flush=True)


def _show_text(prediction: "Prediction") -> None:
    if prediction.problem:
        _complain(f"{prediction.file}: {prediction.problem}")
    else:
        print(_as_text(prediction), flush=True)


class _Table:
    """Write CSV to standard output; cells of classes outside the ``top`` ones are empty.

    The first usable prediction gives the class columns. Rows of unusable files wait until then.
    """

    def __init__(self, top: int | None) -> None:
        self._top = top
        self._writer: csv.DictWriter | None = None
        self._waiting: list[dict[str, object]] = []

    def __call__(self, prediction: "Prediction") -> None:
        self._waiting.append(self._row(prediction))
        if self._writer is None and prediction.probabilities:
            self._writer = self._begin(list(prediction.probabilities))
        if self._writer is not None:
            self._writer.writerows(self._waiting)
            self._waiting.clear()
            sys.stdout.flush()

    def end(self) -> None:
        """Write the waiting rows, without class columns, if no file was usable."""
        if self._writer is None:
            self._begin([]).writerows(self._waiting)

    def _begin(self, classes: Sequence[str]) -> "csv.DictWriter[str]":
        header = [*_COLUMNS, *(f"p_{label}" for label in classes)]
        writer = csv.DictWriter(sys.stdout, header, lineterminator="\n")
        writer.writeheader()
        return writer

    def _row(self, prediction: "Prediction") -> dict[str, object]:
        if prediction.problem:
            return {"file": prediction.file, "abstain": True, "problem": prediction.problem}
        row: dict[str, object] = {name: getattr(prediction, name) for name in _COLUMNS}
        kept = _most_probable(prediction, self._top).probabilities
        return row | {f"p_{label}": value for label, value in kept.items()}


def _predictions(options: argparse.Namespace, files: Sequence[str]) -> Iterator["Prediction"]:
    # Import only what is needed: requests to a server do not need TensorFlow, which loads slowly.
    from serkit.errors import InputError
    from serkit.serving.transport import is_address

    model, samples = options.model, options.samples
    if is_address(model):
        if options.engine == "ray":
            raise InputError(f"--engine ray needs the folder of a model. Received: {model!r}.")
        return _from_server(options, files)
    for name in ("time_out", "attempts"):
        if getattr(options, name) is not None:
            raise InputError(
                f"--{name.replace('_', '-')} needs the address of a server. Received: {model!r}."
            )
    if options.engine == "ray":
        from serkit.serving.local import predict_on_ray

        return predict_on_ray(model, files, ray_settings(options), samples)
    from serkit.serving.local import load_model

    return load_model(model).predict(files, samples)


def _from_server(options: argparse.Namespace, files: Sequence[str]) -> Iterator["Prediction"]:
    from serkit.serving.client import connect
    from serkit.serving.retries import ClientSettings

    usual = ClientSettings()
    limit = usual.read_seconds if options.time_out is None else options.time_out
    attempts = usual.attempts if options.attempts is None else options.attempts
    # The default deadline must not end the attempts that the user asked for.
    deadline = min(max(usual.deadline_seconds, 2 * limit * attempts), 86_400.0)
    settings = ClientSettings(read_seconds=limit, attempts=attempts, deadline_seconds=deadline)
    with connect(options.model, settings) as client:
        yield from client.predict(files, options.samples)


def _as_text(prediction: "Prediction") -> str:
    ranked = sorted(prediction.probabilities.items(), key=lambda item: -item[1])
    listed = "  ".join(f"{label} {value:.3f}" for label, value in ranked)
    abstains = " (abstains)" * prediction.abstain
    lines = [f"{prediction.file}: {prediction.label}{abstains}", f"   {listed}"]
    lines += [f"   entropy {prediction.entropy:.3f} nats"]
    if prediction.mutual_information:
        lines[-1] += f", of which disagreement {prediction.mutual_information:.3f}"
    if prediction.note:
        lines += [f"   note: {prediction.note}"]
    return "\n".join(lines)
