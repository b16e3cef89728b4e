"""The ``serkit`` command: reads arguments, calls the library, prints."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import serkit
from serkit.errors import InputError, SerkitError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, 1 for bad files, 2 for bad arguments."""
    options = _parser().parse_args(arguments)
    # TensorFlow's start-up lines would bury ours; set before anything imports it.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        return options.run(options)
    except SerkitError as error:
        print(f"serkit {options.command}: {error}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    except OSError as error:
        # A full disk, a folder that may not be written to: for the user to mend, all of them.
        print(f"serkit {options.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\nserkit {options.command}: interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="serkit", description="Speech emotion recognition when some classes are rare."
    )
    parser.add_argument("--version", action="version", version=f"serkit {serkit.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_audit(commands)
    _add_demo(commands)
    _add_predict(commands)
    return parser


def _add_audit(commands) -> None:
    parser = commands.add_parser(
        "audit", help="what is in my recordings: manifest.csv and rejected.csv"
    )
    parser.add_argument("roots", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--out", type=Path, default=Path("runs/audit"), help="default: %(default)s")
    parser.set_defaults(run=_audit)


def _audit(options: argparse.Namespace) -> int:
    from serkit.corpora.audit import audit
    from serkit.progress import Progress

    progress = Progress()
    found = audit(options.roots, track=progress.track("reading"))
    found.write(options.out)
    progress.counts(f"{len(found.corpus)} clips", found.corpus.counts("gender_emotion"))
    for item in found.rejected[:20]:
        progress.say(f"rejected {item.path}: {item.reason}")
    if len(found.rejected) > 20:
        progress.say(f"… and {len(found.rejected) - 20} more")
    progress.say(
        f"{len(found.corpus.speakers())} speakers; files rejected: {len(found.rejected)}; "
        f"written: {options.out / 'manifest.csv'}, {options.out / 'rejected.csv'}"
    )
    return 0


def _add_demo(commands) -> None:
    parser = commands.add_parser(
        "demo", help="the whole job: audit, GANs, comparison, report, exported model"
    )
    parser.add_argument(
        "roots", nargs="*", type=Path, metavar="FOLDER", help="default: the built-in corpus"
    )
    parser.add_argument("--out", type=Path, help="run folder; default: runs/ and the data's name")
    parser.add_argument(
        "--models", type=Path, default=Path("saved_models"), help="default: %(default)s"
    )
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument(
        "--labels",
        choices=["gender_emotion", "emotion"],
        default="gender_emotion",
        help="14 categories as in the report, or 7 emotions; default: %(default)s",
    )
    parser.add_argument("--gan-steps", type=int, help="optimiser steps per GAN")
    parser.add_argument("--epochs", type=int, help="epochs per classifier")
    parser.add_argument(
        "--short", action="store_true", help="as little as possible, to see that everything runs"
    )
    parser.set_defaults(run=_demo)


def _demo(options: argparse.Namespace) -> int:
    from dataclasses import replace

    for root in options.roots:
        if not os.path.exists(root):
            raise InputError(f"{root} does not exist")
    from serkit.corpora.synthetic import SyntheticSettings
    from serkit.demo.pipeline import run_demo
    from serkit.demo.settings import DemoSettings

    settings = DemoSettings(
        roots=tuple(str(root.resolve()) for root in options.roots),
        seed=options.seed,
        label_set=options.labels,
        synthetic=SyntheticSettings(seed=options.seed),
    )
    if options.short:
        settings = settings.shortened()
    if options.gan_steps is not None:
        settings = replace(settings, gan=replace(settings.gan, steps=options.gan_steps))
    if options.epochs is not None:
        settings = replace(settings, fit=replace(settings.fit, epochs=options.epochs))
    names = [root.resolve().name for root in options.roots] or ["built-in"]
    out = options.out or Path("runs", "-".join(names) + ("-short" if options.short else ""))
    run_demo(settings, out, options.models)
    return 0


def _add_predict(commands) -> None:
    parser = commands.add_parser("predict", help="what an exported model says of WAV files")
    parser.add_argument("model", type=Path, metavar="MODEL", help="folder of a SavedModel")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--json", action="store_true", help="one JSON object per file")
    parser.set_defaults(run=_predict)


def _predict(options: argparse.Namespace) -> int:
    from serkit.serving.predict import Predictor

    bad = 0
    for prediction in Predictor(options.model).predict(options.files):
        bad += bool(prediction.problem)
        if options.json:
            print(json.dumps(vars(prediction), ensure_ascii=False), flush=True)
        elif prediction.problem:
            print(f"serkit predict: {prediction.file}: {prediction.problem}", file=sys.stderr)
        else:
            ranked = sorted(prediction.probabilities.items(), key=lambda item: -item[1])
            listed = "  ".join(f"{label} {share:.3f}" for label, share in ranked)
            print(f"{prediction.file}: {prediction.label}\n   {listed}", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
