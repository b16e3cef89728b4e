"""``serkit train``: from labelled recordings to a tested and exported model."""

import argparse
from pathlib import Path

from serkit.cli.arguments import (
    CLASSIFIERS,
    ENCODERS,
    NETWORKS,
    add_features,
    add_recordings,
    field_values,
    naming_of,
    recordings_of,
    root_name,
)
from serkit.cli.config import add_config, record_command
from serkit.cli.output import add_dry_run, add_output, print_json, progress_of
from serkit.datasets.corpus import LABEL_SETS
from serkit.errors import InputError
from serkit.export.versions import MODEL_CARD
from serkit.files import read_json_object


def add_to(commands) -> None:
    parser = commands.add_parser(
        "train",
        help="the best classifier of your recordings, tested on unseen speakers, exported",
        description="Audits the recordings; tests a model on each fold of speakers after fitting "
        "it on the other folds; chooses temperature and threshold for abstention by these "
        "predictions; then fits the model on all speakers and exports it with a model card. A "
        "killed run resumes where it was.",
    )
    add_config(parser)
    add_recordings(parser)
    add = parser.add_argument
    add(
        "--classifier",
        dest="model",
        choices=CLASSIFIERS,
        default="whisper-tiny.en",
        metavar="CLASSIFIER",
        help="train this: a linear classifier of the features of a frozen speech encoder "
        f"({', '.join(ENCODERS)}) or of --features (features), or a network of spectrograms "
        f"({', '.join(NETWORKS)}); "
        "default: %(default)s",
    )
    add(
        "--weights",
        help="read the encoder's weights from this file (.pt, .safetensors, model.bin, .keras), "
        "or VGG16's and ResNet50's (imagenet, none or a file); default: find or download them",
    )
    add_features(parser)
    add(
        "--speaker-normalization",
        action="store_true",
        help="take the mean of each speaker's clips off the features of each, which needs all "
        "clips of a speaker at once: the scores are marked as transductive, and nothing is "
        "exported; default: no",
    )
    add(
        "--tuned",
        type=Path,
        metavar="BEST.JSON",
        help="use these settings of serkit tune head; default: serkit's own",
    )
    add(
        "--labels",
        choices=LABEL_SETS,
        default="emotion",
        dest="label_set",
        help="predict these classes; default: %(default)s",
    )
    add("--folds", type=int, default=5, help="make so many folds of speakers; default: 5")
    add("--seed", type=int, default=0, help="draw folds and training from this; default: 0")
    add(
        "--coverage",
        type=float,
        default=0.9,
        metavar="FRACTION",
        help="abstain from all but this fraction of the clips; default: %(default)s",
    )
    add("--epochs", type=int, help="train a network of spectrograms so long; default: its own")
    add("--out", type=Path, help="write here; default: runs/train- and the data's name")
    add(
        "--export",
        type=Path,
        metavar="saved_models/NAME",
        help="export a new version of this model; default: saved_models/ and the data's name",
    )
    add_dry_run(parser)
    add_output(parser, has_json=True)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train, test and export the model, and print the next commands."""
    # Check that the recordings exist before the slow import.
    roots = recordings_of(options)
    from serkit.models.linear_head import LinearHeadSettings
    from serkit.studies.cost import cost_table, training_cost
    from serkit.studies.search_spaces import tuned_or_default
    from serkit.studies.train import TrainSettings, train

    if options.export and options.speaker_normalization:
        raise InputError(
            "--export must not be given with --speaker-normalization: an exported model gets one "
            "recording at a time, and not all of a speaker's."
        )
    if options.export and options.model == "features":
        raise InputError(
            "--export must not be given with --classifier features: an exported model takes "
            "recordings, and nothing computes your features from one."
        )
    values = field_values(options, TrainSettings)
    if options.tuned:
        if options.model in NETWORKS:
            raise InputError(
                "--tuned is for a linear classifier of features. "
                f"Received: {options.tuned}, with --classifier {options.model}."
            )
        values["head"] = tuned_or_default(options.tuned, LinearHeadSettings())
    settings = TrainSettings(**values | {"roots": roots, "naming": naming_of(options)})
    progress = progress_of(options)
    if options.dry_run:
        progress.say(cost_table([training_cost(settings, progress)]))
        return 0
    name = "-".join(map(root_name, roots))
    out = options.out or Path("runs", f"train-{name}")
    version = train(settings, out, options.export or Path("saved_models", name), progress)
    record_command(options, out)
    if options.json:
        print_json({"model": str(version), **read_json_object(out / "metrics.json")})
    if version.suffix == ".keras":
        return 0
    progress.say(
        f"what it is: {version / MODEL_CARD}\n"
        f"try it:     serkit predict {version} FILE.wav\n"
        f"serve it:   serkit serve {version.parent}"
    )
    return 0
