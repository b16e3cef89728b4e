"""``serkit evaluate``: measure an exported or served model on labelled recordings."""

import argparse
from pathlib import Path

from serkit.cli.arguments import add_recordings, naming_of, recordings_of
from serkit.cli.output import add_output, print_json, progress_of
from serkit.errors import InputError


def add_to(commands) -> None:
    parser = commands.add_parser(
        "evaluate",
        help="measure a model on labelled recordings, with intervals",
        description="Predicts labelled recordings with an exported or served model, and prints its "
        "scores with 95 % confidence intervals over speakers. Recordings and speakers of the "
        "model's training set are refused.",
    )
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="use this model: a folder, or an address (http://…, grpc://…)",
    )
    add_recordings(parser)
    add = parser.add_argument
    add(
        "--corrupt",
        default="",
        metavar="NAME=VALUE,…",
        help="corrupt all recordings first, for example noise=10,telephone,reverb=0.5,gain=-20 "
        "(signal-to-noise ratio in dB, seconds, dB; these values hold where none is given); "
        "default: none",
    )
    add(
        "--allow-leaks",
        action="store_true",
        help="accept recordings and speakers of the training set; the results are marked",
    )
    add(
        "--trust",
        action="store_true",
        help="load a model even if it reads or writes files, or runs Python code: a model is a "
        "program",
    )
    add(
        "--out",
        type=Path,
        help="write evaluation.json, predictions.csv and report.html here; default: nowhere",
    )
    add(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="send a served model the token in this file; default: none",
    )
    add("--seed", type=int, default=0, help="draw noise and intervals from this; default: 0")
    add_output(parser, has_json=True)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Evaluate the model, and print the results."""
    roots = recordings_of(options)
    if options.out is not None and options.out.is_file():
        raise InputError(f"`--out` must be a folder. Received: {options.out}, which is a file.")
    from serkit.serving.retries import read_token
    from serkit.studies.corruptions import parse_corruptions
    from serkit.studies.evaluation import EvaluationSettings, evaluate
    from serkit.studies.evaluation_report import summary

    settings = EvaluationSettings(
        roots,
        parse_corruptions(options.corrupt),
        options.allow_leaks,
        naming_of(options),
        options.seed,
        read_token(options.token_file) if options.token_file else "",
        options.trust,
    )
    progress = progress_of(options)
    results = evaluate(options.model, settings, options.out, progress, command=options.line)
    progress.say(f"\n{summary(results)}")
    if options.out is not None:
        progress.say(f"report: {options.out / 'report.html'}")
    if options.json:
        print_json(results)
    return 0
