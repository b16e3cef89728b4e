"""Question: does what is done for small data help a GAN of 40 clips, each measure by itself?

    python experiments/small_data.py ../shared/data/ravdess --label female_surprise

Source: the measures' own papers, see serkit/gans. A DCGAN with all of them is trained from three
seeds, and again without each one; samples are taken without the moving average, too. Expected in
three quarters of an hour of one core: coverage 0.76 with all, 0.38 without pretraining, 0.43
without augmentation, 0.54 without the average; label smoothing shows no effect. docs/gans.md has
the table.
"""

import argparse
from dataclasses import replace

from serkit.cli.running import run_experiment

import numpy as np
import pandas as pd

from serkit.cli.experiments import rare_classes_parser, rare_classes_trial
from serkit.files import write_text
from serkit.formatting import markdown_table
from serkit.gans.dcgan import DCGAN, DCGAN_RECIPES, SMALL_DATA
from serkit.gans.fitting import fit_gan
from serkit.gans.sampling import sample


def parse() -> argparse.Namespace:
    parser = rare_classes_parser(__doc__.splitlines()[0], "runs/small-data")
    parser.add_argument("--steps", type=int, nargs=2, default=(800, 400), metavar=("ALL", "CLASS"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    return parser.parse_args()


def main(options: argparse.Namespace) -> None:
    (label,) = options.label
    with rare_classes_trial(options) as dataset:
        everything = replace(
            DCGAN_RECIPES[SMALL_DATA], width=options.width, steps=options.steps[1], smoothing=0.1
        )
        pretraining = replace(everything, steps=options.steps[0])
        arms = {
            "all measures": everything,
            "without augmentation": replace(everything, augment=None),
            "without label smoothing": replace(everything, smoothing=0.0),
            "without pretraining": everything,
        }
        speakers, found = dataset.partitions.split.speakers, []
        before = options.out / "all-classes"
        gan = DCGAN(pretraining, 0)
        fit_gan(gan, dataset.training, speakers, 0, before, verbose=2)
        for arm, settings in arms.items():
            for seed in options.seeds:
                gan = DCGAN(settings, seed)
                fit_gan(
                    gan,
                    dataset.real[label],
                    speakers,
                    seed,
                    options.out / f"{arm.replace(' ', '-')}-{seed}",
                    init_from=None if arm == "without pretraining" else before,
                    verbose=2,
                )
                generators = {arm: gan.sampler}
                if settings is everything and arm == "all measures":
                    generators["without the moving average"] = gan.generator
                made = {
                    name: sample(generator, dataset.settings.judged, seed)
                    for name, generator in generators.items()
                }
                rows = dataset.fidelity(label, made)[-len(made) :]
                found += [{**row, "seed": seed} for row in rows]

        table = pd.DataFrame(found).groupby("set", sort=False)[
            ["kid", "precision", "coverage", "refused"]
        ]
        means, deviations = table.mean(), table.std(ddof=1)
        cells = [
            [name, *(f"{means[c][name]:.2f} ± {deviations[c][name]:.2f}" for c in means.columns)]
            for name in means.index
        ]
        text = markdown_table(["", *means.columns.str.replace("kid", "KID")], cells)
        write_text(options.out / "small-data.md", text)
        print(f"{text}\nmean ± deviation of {np.size(options.seeds)} seeds; written: {options.out}")


if __name__ == "__main__":
    run_experiment(main, parse())
