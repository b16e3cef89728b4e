"""Question: which initial standard deviation and prior are best for a Bayesian network?

    python experiments/tune_bayesian.py ../shared/data/ravdess --trials 20

What `serkit tune bayesian` does: one compact network is trained for each fold of the training
part's speakers; every trial goes on from these, with its last block and its head Bayesian (MOPED),
and is scored by the negative log likelihood on held-out speakers.
"""

import argparse

from serkit.cli.running import run_experiment

import keras
import tensorflow as tf

from serkit.cli.arguments import naming_of, spec_of
from serkit.cli.experiments import experiment_parser
from serkit.datasets.corpus import LABEL_SETS
from serkit.studies.tuning.classifier_objective import ClassifierSearch
from serkit.studies.tuning.records import ALGORITHMS, SearchSettings
from serkit.studies.tuning.tuning import tune


def parse() -> argparse.Namespace:
    parser = experiment_parser(__doc__.splitlines()[0], "runs/tune-bayesian")
    parser.add_argument("--labels", choices=LABEL_SETS, default="emotion")
    parser.add_argument("--epochs", type=int, default=30, help="of what trials go on from")
    parser.add_argument("--bayesian-epochs", type=int, default=10)
    parser.add_argument("--algorithm", choices=ALGORITHMS, default="bayesian")
    parser.add_argument("--trials", type=int, default=20)
    return parser.parse_args()


def main(options: argparse.Namespace) -> None:
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(0)

    search = ClassifierSearch(
        tuple(map(str, options.roots)),
        label_set=options.labels,
        epochs=options.epochs,
        bayesian_epochs=options.bayesian_epochs,
        spec=spec_of(options),
        naming=naming_of(options),
    )
    tune("bayesian", search, SearchSettings(options.algorithm, options.trials), options.out)
    print(f"{(options.out / 'trials.md').read_text()}\nwritten: {options.out}")


if __name__ == "__main__":
    run_experiment(main, parse())
