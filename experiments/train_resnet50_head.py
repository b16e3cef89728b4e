"""Claim (2021 report, section 6.2): ResNet50 with a new last layer classifies emotions.

    python experiments/train_resnet50_head.py ../shared/data/ravdess
    python experiments/train_resnet50_head.py ROOT... --weights PATH.h5

Only the new layer is trained. The 2021 report has 47.8 % validation accuracy, on a random split.
`--head 4096 4096` uses a head like that of VGG16. docs/classifiers.md has results of an earlier
version of `--weights none`.
"""

import argparse
from dataclasses import replace

from serkit.cli.running import run_experiment

from serkit.cli.experiments import cross_validation, cross_validation_parser
from serkit.models.fitting import REPORT_FIT
from serkit.models.transfer import RESNET50_HEAD, resnet50_head
from serkit.training.precision import fastest_precision


def parse() -> argparse.Namespace:
    parser = cross_validation_parser(__doc__.splitlines()[0], "runs/train-resnet50-head")
    parser.add_argument("--weights", default="imagenet", help="imagenet, none, or a file")
    parser.add_argument(
        "--head",
        type=int,
        nargs="*",
        default=[],
        help="widths of hidden layers, 4096 4096 for VGG16's",
    )
    parser.add_argument("--epochs", type=int, default=REPORT_FIT.epochs)
    parser.add_argument("--learning-rate", type=float, default=REPORT_FIT.learning_rate)
    return parser.parse_args()


def main(options: argparse.Namespace) -> None:
    network = replace(RESNET50_HEAD, head=tuple(options.head), precision=fastest_precision())
    settings = replace(REPORT_FIT, epochs=options.epochs, learning_rate=options.learning_rate)
    with cross_validation(options) as folds:
        for fold in folds:
            model = resnet50_head(len(folds.classes), options.weights, network, fold.network_seed)
            fold.fit(model, settings, weights=options.weights)
            fold.test(model)


if __name__ == "__main__":
    run_experiment(main, parse())
