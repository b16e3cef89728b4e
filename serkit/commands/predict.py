"""``serkit predict``: what an exported model says of WAV files."""

import argparse
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from serkit.commands.engines import add_engine, ray_settings

if TYPE_CHECKING:
    from serkit.serving.prediction import Prediction


def add_to(commands) -> None:
    parser = commands.add_parser("predict", help="what an exported model says of WAV files")
    add = parser.add_argument
    add(
        "model",
        metavar="MODEL",
        help="folder of a SavedModel, or where one is served: http://HOST:8501/v1/models/NAME, "
        "https://HOST/v1/models/NAME, grpc://HOST:8500/NAME",
    )
    add("files", nargs="+", metavar="FILE")
    add("--json", action="store_true", help="one JSON object per file")
    add(
        "--samples",
        type=int,
        metavar="N",
        help="how often a model that draws is asked; default: as often as was exported with it",
    )
    group = parser.add_argument_group("a served model")
    group.add_argument(
        "--time-out",
        type=float,
        metavar="SECONDS",
        help="for an answer about some files, in each attempt; default: 60",
    )
    group.add_argument(
        "--attempts",
        type=int,
        metavar="N",
        help="how often a server is asked that does not answer, or has too much to do; default: 4",
    )
    add_engine(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print some lines per file; status 1 if a file could not be used."""
    bad = 0
    for prediction in _predictions(options):
        bad += bool(prediction.problem)
        if options.json:
            print(json.dumps(vars(prediction), ensure_ascii=False), flush=True)
        elif prediction.problem:
            print(f"serkit predict: {prediction.file}: {prediction.problem}", file=sys.stderr)
        else:
            print(_as_text(prediction), flush=True)
    return 1 if bad else 0


def _predictions(options: argparse.Namespace) -> Iterator["Prediction"]:
    # Each with what it needs: a server is asked long before TensorFlow would be there.
    from serkit.errors import InputError
    from serkit.serving.asking.addresses import is_address

    model, files, samples = options.model, options.files, options.samples
    if is_address(model):
        if options.engine == "ray":
            raise InputError(f"--engine ray for {model!r}; valid is it for a model's folder")
        return _ask_server(options)
    for name in ("time_out", "attempts"):
        if getattr(options, name) is not None:
            raise InputError(
                f"--{name.replace('_', '-')} for the folder {model!r}; valid is it for an address"
            )
    if options.engine == "ray":
        from serkit.serving.many import predict_on_ray

        return predict_on_ray(model, files, ray_settings(options), samples)
    from serkit.serving.predict import Predictor

    return Predictor(model).predict(files, samples)


def _ask_server(options: argparse.Namespace) -> Iterator["Prediction"]:
    from serkit.serving.client import connect
    from serkit.serving.client_settings import ClientSettings

    usual = ClientSettings()
    limit = usual.read_seconds if options.time_out is None else options.time_out
    attempts = usual.attempts if options.attempts is None else options.attempts
    # Attempts that were asked for shall not be cut short by what is usual.
    deadline = min(max(usual.deadline_seconds, 2 * limit * attempts), 86_400.0)
    settings = ClientSettings(read_seconds=limit, attempts=attempts, deadline_seconds=deadline)
    with connect(options.model, settings) as client:
        yield from client.predict(options.files, options.samples)


def _as_text(prediction: "Prediction") -> str:
    ranked = sorted(prediction.probabilities.items(), key=lambda item: -item[1])
    listed = "  ".join(f"{label} {share:.3f}" for label, share in ranked)
    unsure = " (would rather not answer)" * prediction.abstain
    lines = [f"{prediction.file}: {prediction.label}{unsure}", f"   {listed}"]
    lines += [f"   entropy {prediction.entropy:.3f} nats"]
    if prediction.mutual_information:
        lines[-1] += f", of which disagreement {prediction.mutual_information:.3f}"
    if prediction.note:
        lines += [f"   note: {prediction.note}"]
    return "\n".join(lines)
