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
from serkit.cli.config import add_config, record_command
from serkit.cli.output import add_dry_run, add_output, print_json, progress_of


def add_to(commands) -> None:
    parser = commands.add_parser(
        "demo",
        help="the whole job: audit, GANs, comparison, report, exported model",
        description="Compares no augmentation with DCGANs of rare classes on one split, and "
        "exports the classifier that is better on the validation speakers. A killed run resumes "
        "where it was. With --short only two rare classes get a GAN.",
    )
    add_config(parser)
    add_recordings(parser, "*", "the built-in corpus")
    add_spectrograms(parser)
    add = parser.add_argument
    add("--out", type=Path, help="write here; default: runs/ and the data's name")
    add(
        "--export",
        type=Path,
        metavar="saved_models/NAME",
        help="export a new version of this model; default: saved_models/ and the run folder's name",
    )
    add(
        "--protocol",
        choices=["hold-out", "random"],
        default="hold-out",
        help="split like this: hold-out keeps speakers apart; random is the 2021 report's own, "
        "with speakers in both, and every result says so; default: %(default)s",
    )
    add(
        "--gan-steps",
        type=int,
        help="train the GAN of each rare class so long; default: 300, with --gan-recipe report "
        "2000",
    )
    add_study(parser, "gender_emotion")
    add_filling(parser)
    add_dry_run(parser)
    add_output(parser, has_json=True)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the demo in its run folder; then print a command that trains a more accurate model."""
    # Check that the recordings exist before the slow import.
    roots = recordings_of(options)
    from serkit.studies.comparison import print_estimate
    from serkit.studies.demo import demo_settings, run_demo

    settings = demo_settings(
        roots,
        seed=options.seed,
        protocol=options.protocol,
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
    progress = progress_of(options)
    if options.dry_run:
        print_estimate(settings, out, options.cache, progress)
        return 0
    model_folder = options.export or Path("saved_models", out.resolve().name)
    metrics = run_demo(settings, out, model_folder, options.cache, progress, command=options.line)
    record_command(options, out)
    if options.json:
        print_json(metrics)
    if roots:
        from serkit.models.whisper_weights import local_weights

        # `serkit train` needs the weights. The demo does not, so it does not download them.
        is_local = local_weights("whisper-tiny.en") is not None
        where = "are on this machine" if is_local else "are downloaded once, 75 MB"
        progress.say(
            f"more accurate: serkit train {' '.join(map(str, options.roots))} (whisper-tiny.en, "
            f"whose weights {where})"
        )
    return 0
