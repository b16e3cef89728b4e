"""Question: does the compact network do better with other settings, on speakers it has not heard?

    python experiments/tune_classifier.py ../shared/data/ravdess --trials 20

What `serkit tune classifier` does: each trial is trained and scored, by UAR, on folds of the
training part's speakers. Validation and test speakers have no say, and so can say afterwards what
the best settings are worth: `experiments/train_compact.py --tuned runs/tune-classifier`.
"""

import argparse
from pathlib import Path

import keras
import tensorflow as tf

from serkit.corpora.arguments import add_recordings, naming_of
from serkit.corpora.labels import LABEL_SETS
from serkit.tuning.classifier_objective import ClassifierSearch
from serkit.tuning.settings import ALGORITHMS, SearchSettings
from serkit.tuning.whole import tune


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_recordings(parser)
    parser.add_argument("--labels", choices=LABEL_SETS, default="emotion")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--algorithm", choices=ALGORITHMS, default="bayesian")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path("runs/tune-classifier"))
    options = parser.parse_args()
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(0)

    search = ClassifierSearch(
        tuple(map(str, options.roots)),
        label_set=options.labels,
        epochs=options.epochs,
        naming=naming_of(options),
    )
    tune("classifier", search, SearchSettings(options.algorithm, options.trials), options.out)
    print(f"{(options.out / 'trials.md').read_text()}\nwritten: {options.out}")


if __name__ == "__main__":
    main()
