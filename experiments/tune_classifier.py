"""Question: is the compact network better with other settings, on unseen speakers?

    python experiments/tune_classifier.py ../shared/data/ravdess --trials 20

What `serkit tune classifier` does: each trial is trained and scored, by UAR, on folds of the
training part's speakers. Validation and test speakers have no say, and so can say afterwards what
the best settings are worth: `experiments/train_compact.py --tuned runs/tune-classifier`.
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
    parser = experiment_parser(__doc__.splitlines()[0], "runs/tune-classifier")
    parser.add_argument("--labels", choices=LABEL_SETS, default="emotion")
    parser.add_argument("--epochs", type=int, default=30)
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
        spec=spec_of(options),
        naming=naming_of(options),
    )
    tune("classifier", search, SearchSettings(options.algorithm, options.trials), options.out)
    print(f"{(options.out / 'trials.md').read_text()}\nwritten: {options.out}")


if __name__ == "__main__":
    run_experiment(main, parse())
