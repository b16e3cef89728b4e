"""``serkit tune``: search for better settings, scored on held-out training speakers."""

import argparse
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serkit.cli.arguments import (
    ENCODERS,
    add_engine,
    add_features,
    add_live_option,
    add_recordings,
    add_spectrograms,
    add_study,
    engine_of,
    field_values,
    naming_of,
    recordings_of,
    spec_of,
)
from serkit.cli.config import add_config, record_command
from serkit.cli.output import add_dry_run, add_output, print_json, progress_of
from serkit.errors import InputError, check_range

if TYPE_CHECKING:
    from serkit.studies.tuning.tuning import AnySearch

_GAN_KINDS = ("wgan-gp", "dcgan")


def add_to(commands) -> None:
    parser = commands.add_parser(
        "tune",
        help="search for better settings by KerasTuner, on speakers of the training partition",
        description="Scores settings on folds of the speakers in the training partition: of a "
        "classifier (compact, or the head of a speech encoder) by UAR, of a GAN by KID, of a "
        "Bayesian network by the negative log likelihood. Validation and test speakers do not "
        "influence the search. The same command resumes an interrupted search.",
    )
    add = parser.add_argument
    add(
        "what",
        choices=["classifier", "head", *_GAN_KINDS, "bayesian"],
        metavar="WHAT",
        help="%(choices)s",
    )
    add_config(parser)
    add_recordings(parser)
    add_spectrograms(parser)
    add_study(parser)
    add("--out", type=Path, help="write here; default: runs/tune-WHAT")
    add(
        "--algorithm",
        choices=["random", "bayesian", "hyperband"],
        default="random",
        help="choose settings like this; default: %(default)s",
    )
    add(
        "--trials",
        type=int,
        default=20,
        help="try so many settings; ignored by hyperband; default: %(default)s",
    )
    add(
        "--workers",
        type=int,
        default=0,
        help="run trials in so many processes; default: 0, in this process",
    )
    add(
        "--folds",
        type=int,
        help="score on so many folds, 3 or more, of GANs 2 or more; default: the smallest number",
    )
    add(
        "--parallel",
        type=int,
        default=1,
        help="run so many trials at a time, of --engine ray; default: 1",
    )
    _add_options_of_some_kinds(parser)
    add_engine(parser)
    add_dry_run(parser)
    add_output(parser, has_json=True)
    parser.set_defaults(run=run)


def _add_options_of_some_kinds(parser: argparse.ArgumentParser) -> None:
    """Add the options that only networks use (``--live``), only heads, and only GANs."""
    add = parser.add_argument
    add_live_option(parser)
    add(
        "--classifier",
        choices=[*ENCODERS, "features"],
        default="whisper-tiny.en",
        metavar="CLASSIFIER",
        help=f"tune the head of this: {', '.join(ENCODERS)}, or of --features (features); "
        "default: %(default)s",
    )
    add("--weights", help="read the encoder's weights from this file; default: find or download")
    add_features(parser)
    add(
        "--class",
        dest="label",
        default="female_surprise",
        help="train GANs of this class; default: %(default)s",
    )
    add("--clips", type=int, default=0, help="leave only N training clips of it; default: all")
    add(
        "--gan-width",
        dest="width",
        type=float,
        help="scale GANs, 1 as in the 2021 report; default: 0.25",
    )
    add(
        "--examples",
        type=int,
        nargs=2,
        metavar=("ALL", "CLASS"),
        help="show a critic or discriminator so many real examples in the two stages of a trial; "
        "default: 2400 800",
    )


def run(options: argparse.Namespace) -> int:
    """Run the search in the run folder, and print the best trial."""
    # Check that the recordings exist before the slow imports.
    recordings_of(options)
    from serkit.studies.tuning.records import SearchSettings
    from serkit.studies.tuning.tuning import print_estimate, tune
    from serkit.tasks.processes import ProcessEngine

    workers, parallel = options.workers, options.parallel
    check_range("workers", workers, 0)
    if workers and (options.engine == "ray" or parallel > 1):
        raise InputError(
            "`workers` must be 0 with --engine ray or --parallel, which sets the number of "
            f"trials at a time. Received: {workers}."
        )
    out = options.out or Path("runs") / f"tune-{options.what}"
    settings = SearchSettings(options.algorithm, options.trials, seed=options.seed)
    progress = progress_of(options)
    with ExitStack() as stack:
        engine = stack.enter_context(engine_of(options))
        if workers:
            processes = ProcessEngine(workers, out / "logs", options.threads)
            engine, parallel = stack.enter_context(processes), workers
        search = search_of(options)
        if options.dry_run:
            print_estimate(options.what, search, settings, progress)
            return 0
        if options.short and options.what != "head":
            progress.say(
                f"! A short search shows only that everything works: {_describe_short(search)}"
            )
        best = tune(options.what, search, settings, out, progress, engine, parallel)
    record_command(options, out)
    if options.json:
        print_json(best)
    score = best["score"]
    progress.say(
        f"best of {best['trials']}: trial {best['trial']}, {score['name']} "
        f"{score['value']:.4g} (as it was: {score['as it was']:.4g})\n"
        f"settings: {out / 'best.json'}\nall: {out / 'trials.md'}"
    )
    if options.what != "bayesian":
        roots = " ".join(map(str, options.roots))
        command = "train" if options.what == "head" else "compare"
        progress.say(f"use them: serkit {command} {roots} --tuned {out / 'best.json'}")
    return 0


def search_of(options: argparse.Namespace) -> "AnySearch":
    """Return the search that the options ask for: the models to train and how to score them.

    Raises:
        InputError: if an option is not valid.
    """
    from serkit.models.fitting import FitSettings
    from serkit.studies.tuning.classifier_objective import ClassifierSearch
    from serkit.studies.tuning.gan_objective import GanSearch
    from serkit.studies.tuning.head_objective import HeadSearch

    values: dict[str, Any] = {
        "roots": recordings_of(options),
        "naming": naming_of(options),
    }
    if options.what != "head":
        values["spec"] = spec_of(options)
    if options.live is not None and options.what in ("head", *_GAN_KINDS):
        raise InputError(
            f"`--live` must not be given for {options.what}, whose spectrograms or features are "
            "computed once. Valid are classifier and bayesian."
        )
    short: dict[str, Any] = {}
    if options.what in _GAN_KINDS:
        search_class = GanSearch
        values["kind"] = options.what
        fit = FitSettings(epochs=2, steps_per_epoch=4)
        short = {"width": 0.0625, "examples": (64, 32), "judged": 16, "fit": fit}
    elif options.what == "head":
        search_class = HeadSearch
        values["label_set"] = options.labels
    else:
        search_class = ClassifierSearch
        values["label_set"] = options.labels
        short = {"epochs": 1, "steps_per_epoch": 2, "bayesian_epochs": 1}
    values = field_values(options, search_class) | values
    if options.short:
        # Options that were given explicitly take precedence.
        values = short | values
    return search_class(**values)


def _describe_short(search: "AnySearch") -> str:
    names = ["width", "examples", "judged", "epochs", "steps_per_epoch", "bayesian_epochs"]
    return ", ".join(f"{name} {getattr(search, name)}" for name in names if hasattr(search, name))
