"""Claim (2021 report, section 6.2): VGG16 gets better if its last block is trained, too.

    python experiments/train_vgg16_half_freeze.py ../shared/data/ravdess
    python experiments/train_vgg16_half_freeze.py ROOT... --weights PATH.h5
    python experiments/train_vgg16_half_freeze.py ROOT... --seeds 0 --first-folds 1 \\
        --weights runs/pretrain-vgg16/seed-0/fold-1/vgg16.weights.h5   # of pretrain_vgg16.py

With its head alone, see ``train_vgg16_head.py``, VGG16 has 67.7 % validation accuracy in the 2021
report, here 73.9 %, both on a random split. docs/classifiers.md has results of an earlier version
of `--weights none`.
"""

import argparse
from dataclasses import replace

from serkit.cli.running import run_experiment

from serkit.cli.experiments import cross_validation, cross_validation_parser
from serkit.models.fitting import REPORT_FIT
from serkit.models.transfer import TransferSettings, vgg16_half_freeze
from serkit.training.precision import fastest_precision


def parse() -> argparse.Namespace:
    parser = cross_validation_parser(__doc__.splitlines()[0], "runs/train-vgg16-half-freeze")
    parser.add_argument("--weights", default="imagenet", help="imagenet, none, or a file")
    parser.add_argument("--epochs", type=int, default=REPORT_FIT.epochs)
    parser.add_argument("--frozen-convs", type=int, default=10, help="8 as in the report's listing")
    parser.add_argument("--learning-rate", type=float, default=REPORT_FIT.learning_rate)
    parser.add_argument(
        "--first-folds", type=int, default=0, help="train only so many folds; default: all"
    )
    return parser.parse_args()


def main(options: argparse.Namespace) -> None:
    # Folds may be added to a folder later.
    first_folds = vars(options).pop("first_folds")

    network = TransferSettings(options.frozen_convs, precision=fastest_precision())
    settings = replace(REPORT_FIT, epochs=options.epochs, learning_rate=options.learning_rate)
    with cross_validation(options) as folds:
        for fold in folds:
            if first_folds and fold.number > first_folds:
                continue
            model = vgg16_half_freeze(
                len(folds.classes), options.weights, network, fold.network_seed
            )
            fold.fit(model, settings, weights=options.weights)
            fold.test(model)


if __name__ == "__main__":
    run_experiment(main, parse())
