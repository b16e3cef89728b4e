"""``serkit demo``: from recordings to a report page and an exported model."""

import argparse
from pathlib import Path

from serkit.cli.arguments import (
    add_recordings,
    add_spectrograms,
    name_of,
    naming_of,
    recordings_of,
    spec_of,
)
from serkit.datasets.imbalance import RARE_BELOW


def add_to(commands) -> None:
    parser = commands.add_parser(
        "demo", help="the whole job: audit, GANs, comparison, report, exported model"
    )
    add_recordings(parser, "*", "the built-in corpus")
    add_spectrograms(parser)
    parser.add_argument("--out", type=Path, help="run folder; default: runs/ and the data's name")
    parser.add_argument(
        "--models", type=Path, default=Path("saved_models"), help="default: %(default)s"
    )
    parser.add_argument(
        "--cache",
        type=Path,
        help="folder of spectrograms, which runs may share; default: in the run folder",
    )
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument(
        "--labels",
        choices=["gender_emotion", "emotion"],
        default="gender_emotion",
        help="14 categories as in the report, or 7 emotions; default: %(default)s",
    )
    parser.add_argument(
        "--split",
        choices=["hold-out", "random"],
        default="hold-out",
        help="hold-out keeps speakers apart; random is the report's own, which leaks them, and "
        "every result says so; default: %(default)s",
    )
    _add_training(parser)
    parser.set_defaults(run=run)


def _add_training(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--gan-recipe",
        choices=["small-data", "report"],
        default="small-data",
        help="how GANs are trained; report is the 2021 report's way: both discriminators, batches "
        "of 128, no pretraining, no augmentation; default: %(default)s",
    )
    parser.add_argument(
        "--gan-steps",
        type=int,
        help="optimiser steps per GAN; default: 300, with --gan-recipe report 2000",
    )
    parser.add_argument("--epochs", type=int, help="epochs per classifier")
    parser.add_argument(
        "--rare-below",
        type=float,
        default=RARE_BELOW,
        metavar="FRACTION",
        help="of the largest class' training clips; what has fewer gets a GAN; "
        "default: %(default)s",
    )
    parser.add_argument(
        "--short",
        action="store_true",
        help="as little as possible where no option says more, to see that everything runs; GANs "
        "of two rare classes at most",
    )


def run(options: argparse.Namespace) -> int:
    """Run the demo in its run folder."""
    from dataclasses import replace

    roots, naming = recordings_of(options), naming_of(options)
    from serkit.datasets.synthetic import SyntheticSettings
    from serkit.studies.demo import run_demo
    from serkit.studies.demo_settings import DemoSettings

    settings = DemoSettings(
        roots=roots,
        seed=options.seed,
        label_set=options.labels,
        protocol=options.split,
        synthetic=SyntheticSettings(seed=options.seed),
        naming=naming,
        spec=spec_of(options),
        rare_below=options.rare_below,
    ).with_gan_recipe(options.gan_recipe)
    if options.short:
        settings = settings.shortened()
    if options.gan_steps is not None:
        settings = replace(settings, gan=replace(settings.gan, steps=options.gan_steps))
    if options.epochs is not None:
        settings = replace(settings, fit=replace(settings.fit, epochs=options.epochs))
    names = list(map(name_of, roots)) or ["built-in"]
    out = options.out or Path("runs", "-".join(names) + ("-short" if options.short else ""))
    run_demo(settings, out, options.models, options.cache)
    return 0
