"""Claim (2021 report, section 6.2): frozen VGG16 with a new head classifies emotions.

    python experiments/train_vgg16_head.py ../shared/data/ravdess
    python experiments/train_vgg16_head.py ROOT... --weights PATH.h5

The 2021 report has 67.7 % validation accuracy, on a random split. docs/classifiers.md has results
of an earlier version of `--weights none`.
"""

import argparse
from dataclasses import replace

from serkit.cli.running import run_experiment

from serkit.cli.experiments import cross_validation, cross_validation_parser
from serkit.models.fitting import REPORT_FIT
from serkit.models.transfer import TransferSettings, vgg16_head
from serkit.training.precision import fastest_precision


def parse() -> argparse.Namespace:
    parser = cross_validation_parser(__doc__.splitlines()[0], "runs/train-vgg16-head")
    parser.add_argument("--weights", default="imagenet", help="imagenet, none, or a file")
    parser.add_argument("--epochs", type=int, default=REPORT_FIT.epochs)
    parser.add_argument("--learning-rate", type=float, default=REPORT_FIT.learning_rate)
    return parser.parse_args()


def main(options: argparse.Namespace) -> None:
    network = TransferSettings(precision=fastest_precision())
    settings = replace(REPORT_FIT, epochs=options.epochs, learning_rate=options.learning_rate)
    with cross_validation(options) as folds:
        for fold in folds:
            model = vgg16_head(len(folds.classes), options.weights, network, fold.network_seed)
            fold.fit(model, settings, weights=options.weights)
            fold.test(model)


if __name__ == "__main__":
    run_experiment(main, parse())
