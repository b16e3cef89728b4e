"""``serkit compare``: compare augmentation methods on the same folds."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serkit.augmentation.arms import ARMS, DEFAULT_ARMS, NONE
from serkit.cli.arguments import (
    CLASSIFIERS,
    ENCODERS,
    NETWORKS,
    add_engine,
    add_features,
    add_filling,
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
from serkit.errors import InputError

if TYPE_CHECKING:
    from serkit.studies.comparison_settings import ComparisonSettings

_EVERYWHERE_ARMS = [name for name, arm in ARMS.items() if not arm.fill and name != NONE]
# With the 2021 report's recipe each class' GAN starts from random weights, without pretraining.
_GAN_SIZES_OF_RECIPE = {"small-data": {}, "report": {"steps": 2000}}


def add_to(commands) -> None:
    parser = commands.add_parser(
        "compare",
        help="does the augmentation help? arms on the same folds of speakers, with intervals",
        description="For every fold and seed, trains every arm on the same training clips and "
        "tests it on the same clips of unseen speakers. A killed run resumes where it was; "
        "arms, classifiers and seeds may be added later.",
    )
    add_config(parser)
    add_recordings(parser)
    add_spectrograms(parser)
    parser.add_argument(
        "--out", type=Path, default=Path("runs/compare"), help="write here; default: %(default)s"
    )
    add_study(parser)
    _add_arms(parser)
    _add_protocol(parser)
    add_filling(parser)
    _add_amounts(parser)
    _add_training(parser)
    add_engine(parser)
    add_dry_run(parser)
    add_output(parser, has_json=True)
    parser.set_defaults(run=run)


def _add_arms(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    arms = add(
        "--arms",
        nargs="+",
        type=_arm_name,
        default=list(DEFAULT_ARMS),
        metavar="ARM",
        help=f"compare these: {', '.join(ARMS)}, or combinations such as "
        f"class-weights+specaugment; default: {', '.join(DEFAULT_ARMS)}",
    )
    # Read by argcomplete, which completes values only of options with `choices`.
    arms.completer = lambda **_: ARMS  # pyright: ignore[reportAttributeAccessIssue]
    add(
        "--everywhere",
        nargs="+",
        choices=_EVERYWHERE_ARMS,
        default=[],
        metavar="ARM",
        help="augment the training clips of every arm, none included, with these: "
        f"{', '.join(_EVERYWHERE_ARMS)}; default: none of them",
    )
    add(
        "--classifier",
        nargs="+",
        choices=CLASSIFIERS,
        default=["compact"],
        metavar="CLASSIFIER",
        help=f"train these: networks of spectrograms ({', '.join(NETWORKS)}), or linear "
        f"classifiers of the features of a frozen speech encoder ({', '.join(ENCODERS)}) or of "
        "--features (features), which are trained with the arms none, class-weights, oversampling "
        "and, of an encoder, speed only; default: compact",
    )
    add_features(parser)
    add(
        "--speaker-normalization",
        action="store_true",
        help="take the mean of each speaker's clips off the features of each, which needs all "
        "clips of a speaker at once: every result is marked as transductive, and none is exported; "
        "default: no",
    )


def _arm_name(text: str) -> str:
    """Return the name of an arm or of a combination of arms; argparse reports any other text."""
    for part in text.split("+"):
        if part not in ARMS:
            raise argparse.ArgumentTypeError(
                f"invalid choice: {part!r} (choose from {', '.join(ARMS)})"
            )
    return text


def _add_protocol(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--protocol",
        choices=["k-fold", "random", "both", "leave-one-corpus-out"],
        default="k-fold",
        help="split like this: k-fold keeps speakers apart; random is the 2021 report's own, with "
        "speakers in both, and every result says so; both is one after the other; "
        "leave-one-corpus-out tests on each corpus in turn; default: %(default)s",
    )
    add(
        "--without",
        nargs="+",
        default=[],
        metavar="CORPUS",
        help="leave out these corpora, for example tess; default: none",
    )
    add(
        "--rarify",
        nargs="+",
        default=[],
        metavar="CLASS=AMOUNT",
        help="leave only so many of these classes' training clips: a fraction, or a number of "
        "clips, for example surprise=0.15 or surprise=14; default: all",
    )
    add(
        "--folds",
        type=int,
        help="test on so many folds: 3 or more, or 1 for a single split; default: 5",
    )
    add(
        "--first-folds",
        type=int,
        default=0,
        metavar="N",
        help="run only the first N folds; default: all",
    )
    add(
        "--seeds",
        type=int,
        nargs="+",
        default=[0],
        help="train once with each of these; default: 0",
    )
    add(
        "--more-seeds",
        type=int,
        nargs="+",
        default=[],
        metavar="SEED",
        help="train none and the arms that were best on validation speakers with these, too; "
        "default: none",
    )
    add(
        "--best",
        type=int,
        default=2,
        help="train so many arms with --more-seeds; default: %(default)s",
    )


def _add_amounts(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--plan",
        choices=["balance", "report"],
        default="balance",
        help="fill up rare classes to --filled-to (balance), or as figure 18 of the 2021 report "
        "says (report); default: %(default)s",
    )
    add(
        "--filled-to",
        type=float,
        default=1.0,
        metavar="FRACTION",
        help="fill up to this fraction of the largest class; default: %(default)s",
    )
    add(
        "--generated-share",
        type=float,
        default=1.0,
        metavar="FRACTION",
        help="generate this fraction of what arms with GANs or noise add, and copy clips for the "
        "rest; default: %(default)s",
    )
    add(
        "--sample-filter",
        action=argparse.BooleanOptionalAction,
        dest="gated",
        default=False,
        help="reject generated samples that are near-copies of training clips or of another "
        "class; default: no",
    )


def _add_training(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--weights",
        default="imagenet",
        help="start VGG16 and ResNet50 from these: imagenet, none or a file; or read an encoder's "
        "from this file; default: %(default)s",
    )
    add("--gan-width", type=float, help="scale GANs, 1 as in the 2021 report; default: 0.25")
    add(
        "--pretraining-steps",
        type=int,
        help="train the generator so long on all training clips, 0 for none; half as many again "
        "for a WGAN-GP, whose batches are smaller; not for a DCGAN with --gan-recipe report; "
        "default: 800",
    )
    add(
        "--gan-steps",
        type=int,
        help="train the generator so long on each rare class; half as many again for a WGAN-GP; "
        "default: 400, with --gan-recipe report 2000",
    )
    add(
        "--gan-tuned",
        choices=["all", "norms"],
        default="all",
        help="train these variables of a pretrained generator on a rare class: all, or those of "
        "normalisation layers (norms), so that it memorises fewer clips; default: %(default)s",
    )
    add(
        "--tuned",
        type=Path,
        nargs="+",
        default=[],
        metavar="BEST.JSON",
        help="use these settings of serkit tune, for example runs/tune-dcgan/best.json; default: "
        "serkit's own",
    )
    add(
        "--live",
        action="store_true",
        help="compute the spectrograms of training batches from waveforms at each step, in all "
        "arms, speed as a new one of 0.9 to 1.1 at each step; default: in arms that augment "
        "waveforms",
    )


def run(options: argparse.Namespace) -> int:
    """Run the comparison in the run folder."""
    from serkit.studies.comparison import compare, print_estimate

    progress = progress_of(options)
    # The engine sets TensorFlow's threads. This must be done before TensorFlow computes anything,
    # and the settings of spectrograms compute the bands.
    with engine_of(options) as engine:
        if options.dry_run:
            print_estimate(settings_of(options), options.out, options.cache, progress)
            return 0
        results = compare(
            settings_of(options),
            options.out,
            options.cache,
            progress,
            engine,
            command=options.line,
        )
    record_command(options, options.out)
    if options.json:
        print_json(results)
    if options.classifier != ["features"] and not options.speaker_normalization:
        name = options.out.resolve().name
        progress.say(f"export the best: serkit export {options.out} --out saved_models/{name}")
    return 0


def settings_of(options: argparse.Namespace) -> "ComparisonSettings":
    """Return the settings of the comparison that the options ask for.

    Raises:
        InputError: if an option is not valid.
    """
    from serkit.studies.comparison_settings import ComparisonSettings
    from serkit.studies.gan_kinds import GanSizes
    from serkit.studies.search_spaces import read_tuned

    values = field_values(options, ComparisonSettings) | {
        "roots": recordings_of(options),
        "naming": naming_of(options),
        "spec": spec_of(options),
        "classifiers": tuple(options.classifier),
        "label_set": options.labels,
        "rarify": _parse_amounts(options.rarify),
        "weights": _absolute_weights(options.weights),
        "tuned": dict(map(read_tuned, options.tuned)),
        "gans": GanSizes(tuned=options.gan_tuned, **_GAN_SIZES_OF_RECIPE[options.gan_recipe]),
    }
    settings = ComparisonSettings(**values)
    if options.short:
        settings = settings.shortened()
    # After --short, so that options given explicitly take precedence.
    settings = replace(settings, **_without_none(folds=options.folds))
    sizes = _without_none(
        width=options.gan_width,
        pretraining=options.pretraining_steps,
        steps=options.gan_steps,
    )
    settings = replace(settings, gans=replace(settings.gans, **sizes))
    return settings.with_epochs(options.epochs)


def _without_none(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _absolute_weights(weights: str) -> str:
    return weights if weights in ("imagenet", "none") else str(Path(weights).resolve())


def _parse_amounts(parts: Sequence[str]) -> tuple[tuple[str, float], ...]:
    amounts = []
    for part in parts:
        label, _, amount = part.rpartition("=")
        try:
            amounts.append((label, float(amount)))
        except ValueError as error:
            raise InputError(
                "`rarify` must be CLASS=AMOUNT, such as surprise=0.15 or surprise=14. "
                f"Received: {part}."
            ) from error
    return tuple(amounts)
