"""Question: when samples of GANs do not help a classifier, what is wrong with them?

    python experiments/inspect_samples.py ../shared/data/ravdess --cache CACHE --first-folds 3
    python experiments/inspect_samples.py ../shared/data/ravdess --gan-tuned norms

Classes are made rare as `serkit compare --rarify` does; a classifier that has heard all clips of
these classes says which samples it recognises, and distances between pictures how varied they are.
With the `--cache` of a comparison its GANs are taken from there. What came out is in
docs/augmentation.md.
"""

import argparse
from pathlib import Path

from serkit.cli.running import run_experiment

import pandas as pd

from serkit.cli.arguments import naming_of, spec_of
from serkit.cli.experiments import experiment_parser
from serkit.files import replacing
from serkit.formatting import markdown_table
from serkit.models.fitting import FitSettings
from serkit.studies.comparison_settings import ComparisonSettings
from serkit.studies.engine import Comparison
from serkit.studies.gan_kinds import TUNED, GanSizes
from serkit.studies.generators import in_order
from serkit.studies.inspection import Listener, inspect
from serkit.studies.run_folder import Run


def parse() -> argparse.Namespace:
    parser = experiment_parser(__doc__.splitlines()[0], "runs/inspect-samples")
    parser.add_argument("--rare", nargs="+", default=["disgust", "surprise"], help="classes")
    parser.add_argument("--left", type=float, default=0.15, help="share of their clips")
    parser.add_argument("--filled-to", type=float, default=0.667, help="of the largest class")
    parser.add_argument("--arms", nargs="+", default=["dcgan", "wgan-gp"])
    parser.add_argument("--gan-tuned", choices=TUNED, default="all")
    parser.add_argument("--gan-width", type=float, default=0.25)
    parser.add_argument("--gan-steps", type=int, nargs=2, default=[800, 400])
    parser.add_argument("--first-folds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=30, help="of who has heard all clips")
    parser.add_argument("--cache", type=Path, help="of a comparison")
    return parser.parse_args()


def main(options: argparse.Namespace) -> None:
    settings = ComparisonSettings(
        roots=tuple(map(str, options.roots)),
        arms=("noise-images", *options.arms),
        rarify=tuple((label, options.left) for label in options.rare),
        filled_to=options.filled_to,
        first_folds=options.first_folds,
        spec=spec_of(options),
        gans=GanSizes(options.gan_width, *options.gan_steps, options.gan_tuned),
        naming=naming_of(options),
    )
    rows = []
    with Run(options.out, {"epochs": options.epochs, **settings.to_json()}) as run:
        comparison = Comparison(settings, run.folder, options.cache)
        run.begin_work()
        for fold in comparison.folds:
            for kind in options.arms:
                for gan in in_order(comparison.gans(kind, fold)):
                    if not gan.is_done:
                        gan.run(verbose=2)
            fit = FitSettings(epochs=options.epochs)
            listener = Listener(fold, options.out / f"listener-{fold.number}", fit)
            rows += inspect(comparison, listener, settings.arms)
        table = pd.DataFrame(rows)
        with replacing(options.out / "samples.csv") as partial:
            table.to_csv(partial, index=False, lineterminator="\n")
        numbers = ["recognised", "spread", "distance", "coverage"]
        means = table.groupby("set", sort=False)[numbers].mean()
        shown = means.map(lambda value: "" if pd.isna(value) else f"{value:.2f}")
        print(markdown_table(["", *numbers], [[name, *row] for name, row in shown.iterrows()]))


if __name__ == "__main__":
    run_experiment(main, parse())
