"""Question: is variational inference worth its cost, or is a cheaper method as good?

    python experiments/compare_uncertainty.py ../shared/data/ravdess --seeds 0
    python experiments/compare_uncertainty.py ROOT... --held-out OTHER   # as OOD inputs

The methods are: a deterministic network, label smoothing, temperature scaling, Monte Carlo dropout,
an ensemble, and variational networks that start from trained ones (2021 report, section 8.2;
Krishnan et al. 2020). All are evaluated on the same folds of speakers. Expected UAR and calibration
error in per cent (RAVDESS actors 1 to 20, seed 0): compact network 64.8 and 16.6, variational 63.8
and 3.7, with temperature 64.8 and 3.4, ensemble of four 67.8 and 3.5. docs/uncertainty.md has the
tables.
"""

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path

from serkit.cli.running import run_experiment

from serkit.audio.spec_augment import MaskSettings, mask
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.cli.experiments import cross_validation, cross_validation_parser
from serkit.models.bayesian import last_block, with_monte_carlo_dropout
from serkit.models.compact import CompactSettings, compact
from serkit.models.fitting import FitSettings
from serkit.models.lenet import LeNet5Settings, lenet5
from serkit.studies.ood_sounds import all_ood_sounds
from serkit.studies.search_spaces import BayesianRecipe, tuned_or_default
from serkit.studies.uncertainty_results import uncertainty_report, write_uncertainty_figures
from serkit.studies.uncertainty_study import ANSWERS, UncertaintyStudy
from serkit.uncertainty.predictors import Ensemble, SampledNetwork

SPEC = SpectrogramSpec(frames=160, bins=80, window=512, trim_db=30.0)


def parse() -> argparse.Namespace:
    parser = cross_validation_parser(__doc__.splitlines()[0], "runs/compare-uncertainty")
    parser.add_argument("--held-out", type=Path, nargs="*", default=[], help="other corpora")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--bayesian-epochs", type=int, default=10)
    parser.add_argument("--members", type=int, default=4, help="of the ensemble")
    parser.add_argument(
        "--deltas", type=float, nargs="+", default=[0.3, 0.5, 0.7], help="of MOPED, to choose from"
    )
    parser.add_argument("--tuned", type=Path, help="best.json of serkit tune bayesian")
    return parser.parse_args()


def main(options: argparse.Namespace) -> None:
    augment = partial(mask, settings=MaskSettings())
    settings = FitSettings(epochs=options.epochs, keep="last")
    smoothing_settings = replace(settings, label_smoothing=0.1)
    bayesian_settings = replace(settings, epochs=options.bayesian_epochs, learning_rate=3e-4)
    recipe = tuned_or_default(options.tuned, BayesianRecipe(fit=bayesian_settings))
    deltas = [recipe.delta] if options.tuned else options.deltas
    compact_settings = CompactSettings(pool=(1, 1), stride=(1, 2))
    lenet_settings = LeNet5Settings((2, 2), dropout=0.3)
    with cross_validation(options, SPEC, [0.9, 1.1], ANSWERS, uncertainty_report) as folds:
        builders = {
            "compact": partial(compact, len(folds.classes), folds.spec.shape, compact_settings),
            "lenet5": partial(lenet5, len(folds.classes), folds.spec.shape, lenet_settings),
        }
        for fold in folds:
            study = UncertaintyStudy(
                fold, all_ood_sounds(fold, folds.spec, options.held_out, folds.folder)
            )
            for name, build in builders.items():
                twin = study.train(f"{name}-twin", build, settings, augment)
                layers = last_block(twin) if name == "compact" else None
                bayesian = study.train_bayesian(
                    f"{name}-bayesian", twin, deltas, recipe, augment, layers
                )
                deterministic = Ensemble([twin])
                tempered = study.with_temperature(deterministic)
                dropout = SampledNetwork(with_monte_carlo_dropout(twin))
                study.evaluate(name, deterministic, [twin])
                study.evaluate(f"{name}, temperature", tempered, [twin], name)
                study.evaluate(f"{name}, dropout", dropout, [twin], name)
                study.evaluate(f"{name}, variational", SampledNetwork(bayesian), [bayesian], name)
            members = [
                study.train(f"compact-{number}", builders["compact"], smoothing_settings, augment)
                for number in range(options.members)
            ]
            ensemble, name = Ensemble(members), f"compact, ensemble of {options.members}"
            study.evaluate(
                "compact, label smoothing", Ensemble(members[:1]), members[:1], "compact"
            )
            study.evaluate(name, ensemble, members, "compact")
            tempered = study.with_temperature(ensemble)
            study.evaluate(f"{name}, temperature", tempered, members, "compact")
            study.write()
    write_uncertainty_figures(folds.predictions(), folds.classes, options.out)


if __name__ == "__main__":
    run_experiment(main, parse())
