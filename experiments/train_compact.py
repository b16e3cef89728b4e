"""Claim: a network of 0.3 million parameters classifies 7 emotions of unseen speakers.

    python experiments/train_compact.py ../shared/data/ravdess
    python experiments/train_compact.py ROOT... --spectrograms report    # 224 x 224, as for GANs

Expected for RAVDESS actors 1 to 20 (1,199 usable clips), five folds and three seeds, in about 40
minutes on two cores: a mean UAR of 65.7 % (62.4 to 67.5 by seed), where guessing gives 14.3 %.
docs/classifiers.md has the tables, and the results of earlier versions.
"""

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path

from serkit.cli.running import run_experiment

from serkit.audio.spec_augment import MaskSettings, mask
from serkit.audio.spectrogram import SpectrogramSpec
from serkit.cli.experiments import cross_validation, cross_validation_parser
from serkit.models.compact import CompactSettings, compact
from serkit.models.fitting import FitSettings
from serkit.studies.search_spaces import CompactRecipe, tuned_or_default

# Silence before and after speech is trimmed, and a shorter window gives a finer time resolution.
SPEC = SpectrogramSpec(frames=160, bins=80, window=512, trim_db=30.0)


def parse() -> argparse.Namespace:
    parser = cross_validation_parser(__doc__.splitlines()[0], "runs/train-compact")
    parser.add_argument("--spectrograms", choices=["own", "report"], default="own")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument(
        "--speeds", type=float, nargs="*", default=[0.9, 1.1], help="also train at these speeds"
    )
    parser.add_argument("--tuned", type=Path, help="best.json of serkit tune classifier")
    return parser.parse_args()


def recipe_of(options: argparse.Namespace) -> CompactRecipe:
    is_own = options.spectrograms == "own"
    network = CompactSettings(pool=(1, 1), stride=(1, 2)) if is_own else CompactSettings()
    settings = FitSettings(epochs=options.epochs, label_smoothing=0.1, keep="last")
    recipe = tuned_or_default(options.tuned, CompactRecipe(network, settings))
    # A search does not choose pool and stride, which depend on the size of the spectrograms.
    network = replace(recipe.network, pool=network.pool, stride=network.stride)
    return CompactRecipe(network, replace(recipe.fit, epochs=options.epochs))


def main(options: argparse.Namespace) -> None:
    recipe = recipe_of(options)
    augment = partial(mask, settings=MaskSettings())
    spec = SPEC if options.spectrograms == "own" else None
    with cross_validation(options, spec, options.speeds) as folds:
        for fold in folds:
            model = compact(len(folds.classes), folds.spec.shape, recipe.network, fold.network_seed)
            fold.fit(model, recipe.fit, augment=augment)
            fold.test(model)


if __name__ == "__main__":
    run_experiment(main, parse())
