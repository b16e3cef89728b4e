"""Claim: a Bayesian LeNet-5 trains, for which the 2021 report has no result (section 8.2.1).

    python experiments/train_bayesian_lenet5.py ../shared/data/ravdess --seeds 0

The network trains in two cases: if it starts from a trained deterministic network, with a prior as
wide as its first posterior; or if it starts from new weights, with the weight of the KL divergence
reduced to a hundredth. With the full weight, the KL divergence dominates the loss of a thousand
clips. Expected UAR (RAVDESS actors 1 to 20, seed 0): deterministic network 51.5 %, started from it
52.2 %, from new weights 14.3 % (guessing) with the full KL divergence and 51.7 % with a hundredth.
docs/uncertainty.md has the tables.
"""

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path

from serkit.cli.running import run_experiment

from serkit.audio.spec_augment import MaskSettings, mask
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.cli.experiments import cross_validation, cross_validation_parser
from serkit.models.bayesian import bayesian_lenet5
from serkit.models.fitting import FitSettings
from serkit.models.lenet import LeNet5Settings, lenet5
from serkit.studies.ood_sounds import all_ood_sounds
from serkit.studies.search_spaces import BayesianRecipe, tuned_or_default
from serkit.studies.uncertainty_results import uncertainty_report, write_uncertainty_figures
from serkit.studies.uncertainty_study import ANSWERS, UncertaintyStudy
from serkit.uncertainty.predictors import Ensemble, SampledNetwork

SPEC = SpectrogramSpec(frames=160, bins=80, window=512, trim_db=30.0)


def parse() -> argparse.Namespace:
    parser = cross_validation_parser(__doc__.splitlines()[0], "runs/train-bayesian-lenet5")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--bayesian-epochs", type=int, default=10, help="of the Bayesian networks")
    parser.add_argument(
        "--deltas", type=float, nargs="+", default=[0.3, 0.5, 0.7], help="of MOPED, to choose from"
    )
    parser.add_argument("--tuned", type=Path, help="best.json of serkit tune bayesian")
    return parser.parse_args()


def main(options: argparse.Namespace) -> None:
    augment = partial(mask, settings=MaskSettings())
    settings = FitSettings(epochs=options.epochs, keep="last")
    bayesian_settings = replace(settings, epochs=options.bayesian_epochs, learning_rate=3e-4)
    recipe = tuned_or_default(options.tuned, BayesianRecipe(fit=bayesian_settings))
    deltas = [recipe.delta] if options.tuned else options.deltas
    network = LeNet5Settings(pool=(2, 2), dropout=0.3)
    with cross_validation(options, SPEC, [0.9, 1.1], ANSWERS, uncertainty_report) as folds:
        build_plain = partial(lenet5, len(folds.classes), folds.spec.shape, network)
        build_bayesian = partial(bayesian_lenet5, len(folds.classes), folds.spec.shape, network)
        for fold in folds:
            study = UncertaintyStudy(fold, all_ood_sounds(fold, folds.spec, [], folds.folder))
            plain = study.train("lenet5-twin", build_plain, settings, augment)
            from_plain = study.train_bayesian("lenet5-bayesian", plain, deltas, recipe, augment)
            study.evaluate("plain", Ensemble([plain]), [plain])
            study.evaluate("Bayesian, from it", SampledNetwork(from_plain), [from_plain], "plain")
            for kl in (1.0, 0.01):
                from_new_weights = study.train(
                    f"lenet5-new-{kl}",
                    lambda seed: build_bayesian(seed=seed),
                    settings,
                    augment=augment,
                    kl=kl,
                )
                name = f"Bayesian, from new weights, {kl:g} of the KL"
                predictor = SampledNetwork(from_new_weights)
                study.evaluate(name, predictor, [from_new_weights], "plain")
            study.write()
    write_uncertainty_figures(folds.predictions(), folds.classes, options.out)


if __name__ == "__main__":
    run_experiment(main, parse())
