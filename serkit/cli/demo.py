"""``serkit demo``: from recordings to a report page and an exported model."""

import argparse
from pathlib import Path

from serkit.cli.arguments import (
    add_filling,
    add_recordings,
    add_spectrograms,
    add_study,
    naming_of,
    recordings_of,
    root_name,
    spec_of,
)


def add_to(commands) -> None:
    parser = commands.add_parser(
        "demo",
        help="the whole job: audit, GANs, comparison, report, exported model",
        description="Compares no augmentation with DCGANs of rare classes on one split, and "
        "exports the classifier that is better on the validation speakers. A killed run resumes "
        "where it was. With --short only two rare classes get a GAN.",
    )
    add_recordings(parser, "*", "the built-in corpus")
    add_spectrograms(parser)
    add = parser.add_argument
    add("--out", type=Path, help="run folder; default: runs/ and the data's name")
    add("--models", type=Path, default=Path("saved_models"), help="default: %(default)s")
    add(
        "--split",
        choices=["hold-out", "random"],
        default="hold-out",
        help="hold-out keeps speakers apart; random is the 2021 report's own, with speakers in "
        "both, and every result says so; default: %(default)s",
    )
    add(
        "--gan-steps",
        type=int,
        help="of the GAN of each rare class; default: 300, with --gan-recipe report 2000",
    )
    add_study(parser, "gender_emotion")
    add_filling(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the demo in its run folder; then print a command that trains a more accurate model."""
    # Check that the recordings exist before the slow import.
    roots = recordings_of(options)
    from serkit.studies.demo import demo_settings, run_demo

    settings = demo_settings(
        roots,
        seed=options.seed,
        protocol=options.split,
        label_set=options.labels,
        rare_below=options.rare_below,
        gan_recipe=options.gan_recipe,
        gan_steps=options.gan_steps,
        epochs=options.epochs,
        spec=spec_of(options),
        naming=naming_of(options),
        short=options.short,
    )
    run_name = "-".join([root_name(root) for root in roots] or ["built-in"])
    if options.short:
        run_name += "-short"
    out = options.out or Path("runs", run_name)
    run_demo(settings, out, options.models, options.cache)
    if roots:
        from serkit.models.whisper_weights import local_weights

        # `serkit train` needs the weights. The demo does not, so it does not download them.
        is_local = local_weights("whisper-tiny.en") is not None
        where = "are on this machine" if is_local else "are downloaded once, 75 MB"
        print(
            f"more accurate: serkit train {' '.join(map(str, options.roots))} (whisper-tiny.en, "
            f"whose weights {where})"
        )
    return 0
