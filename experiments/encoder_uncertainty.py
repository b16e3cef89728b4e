"""Question: which method gives the classifier of an encoder's features the best uncertainty?

    python experiments/encoder_uncertainty.py ../shared/data/ravdess --seeds 0
    python experiments/encoder_uncertainty.py ROOT... --classifier whisper-base.en --held-out OTHER

The methods are those of compare_uncertainty.py, on the features of a frozen Whisper encoder: the
linear classifier of `serkit train`, temperature scaling, an ensemble of classifiers fitted on other
training speakers each, Monte Carlo dropout of the principal components, and a Bayesian last layer
that starts from the fitted classifier (MOPED, Krishnan et al. 2020). All are evaluated on the same
folds of speakers. Sounds that are no emotional speech are detected by uncertainty, by the density
of the components, and by the distance of the features. docs/uncertainty.md has the tables.
"""

import argparse
from functools import partial
from pathlib import Path

from serkit.cli.running import run_experiment

from serkit.cli.experiments import cross_validation, cross_validation_parser
from serkit.models.bayesian import with_monte_carlo_dropout
from serkit.models.speech_features import SpeechFeatures
from serkit.models.whisper_weights import PRESETS, whisper_from_preset
from serkit.studies.ood_sounds import all_ood_sounds
from serkit.studies.search_spaces import BayesianRecipe
from serkit.studies.uncertainty_results import uncertainty_report, write_uncertainty_figures
from serkit.studies.uncertainty_study import ANSWERS, UncertaintyStudy
from serkit.uncertainty.predictors import Ensemble, SampledNetwork

RECIPE = BayesianRecipe()


def parse() -> argparse.Namespace:
    parser = cross_validation_parser(
        __doc__.splitlines()[0], "runs/encoder-uncertainty", spectrograms=False
    )
    parser.add_argument("--classifier", dest="model", choices=PRESETS, default="whisper-tiny.en")
    parser.add_argument("--weights", help="file of the weights; default: find or download them")
    parser.add_argument("--held-out", type=Path, nargs="*", default=[], help="other corpora")
    parser.add_argument("--members", type=int, default=10, help="of the ensemble")
    parser.add_argument("--dropout", type=float, default=0.3, help="rate")
    parser.add_argument(
        "--deltas", type=float, nargs="+", default=[0.3, 1.0, 3.0], help="of MOPED, to choose from"
    )
    return parser.parse_args()


def main(options: argparse.Namespace) -> None:
    features = SpeechFeatures(whisper_from_preset(options.model, options.weights))
    with cross_validation(options, features, (), ANSWERS, uncertainty_report) as folds:
        for fold in folds:
            sounds = all_ood_sounds(fold, features, options.held_out, folds.folder)
            evaluate(UncertaintyStudy(fold, sounds), options)
    write_uncertainty_figures(folds.predictions(), folds.classes, options.out)


def evaluate(study: UncertaintyStudy, options: argparse.Namespace) -> None:
    """Fit the classifiers of a fold, and write the predictions of all methods."""
    name = options.model
    head = study.fit_head()
    members = study.fit_heads(options.members)
    dropping = study.train("dropout", partial(study.fit_head, options.dropout), RECIPE.fit)
    bayesian = study.train_bayesian("bayesian", head, options.deltas, RECIPE, layers=["logits"])
    one, ensemble = Ensemble([head]), Ensemble(members)
    methods = {
        name: (one, [head]),
        f"{name}, temperature": (study.with_temperature(one), [head]),
        f"{name}, dropout": (SampledNetwork(with_monte_carlo_dropout(dropping)), [dropping]),
        f"{name}, variational": (SampledNetwork(bayesian), [bayesian]),
        f"{name}, ensemble of {options.members}": (ensemble, members),
        f"{name}, ensemble of {options.members}, temperature": (
            study.with_temperature(ensemble),
            members,
        ),
    }
    for method, (predictor, models) in methods.items():
        study.evaluate(method, predictor, models, "" if method == name else name)
    study.write()


if __name__ == "__main__":
    run_experiment(main, parse())
