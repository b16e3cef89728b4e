"""Question: with which settings are a GAN's samples closest to unseen speakers, at equal cost?

    python experiments/tune_gan.py ../shared/data/ravdess --gan wgan-gp --trials 24

The 2021 report's authors could not tune their Wasserstein GAN (section 8.1). As in `serkit tune`,
GANs are trained on one half of the speakers in the training partition and measured by KID on the
other half. Then classifiers learn the class from samples alone, of the three best trials and of the
baseline, because KID does not show whether a classifier can learn from samples. docs/tuning.md has
the tables.
"""

import argparse

from serkit.cli.running import run_experiment

import keras
import pandas as pd
import tensorflow as tf

from serkit.cli.arguments import naming_of, spec_of
from serkit.cli.experiments import experiment_parser
from serkit.files import write_text
from serkit.formatting import markdown_table
from serkit.studies.tuning.gan_objective import GanObjective, GanSearch
from serkit.studies.tuning.records import ALGORITHMS, SearchSettings
from serkit.studies.tuning.tuning import tune


def parse() -> argparse.Namespace:
    parser = experiment_parser(__doc__.splitlines()[0], "runs/tune-gan")
    parser.add_argument("--gan", choices=["wgan-gp", "dcgan"], default="wgan-gp")
    parser.add_argument("--class", dest="label", default="female_surprise")
    parser.add_argument(
        "--gan-width",
        dest="width",
        type=float,
        default=0.25,
        help="1 is the 2021 report's networks",
    )
    parser.add_argument("--examples", type=int, nargs=2, default=(2400, 800))
    parser.add_argument("--algorithm", choices=ALGORITHMS, default="random")
    parser.add_argument("--trials", type=int, default=24)
    return parser.parse_args()


def main(options: argparse.Namespace) -> None:
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(0)

    search = GanSearch(
        tuple(map(str, options.roots)),
        kind=options.gan,
        label=options.label,
        width=options.width,
        examples=tuple(options.examples),
        spec=spec_of(options),
        naming=naming_of(options),
    )
    tune(options.gan, search, SearchSettings(options.algorithm, options.trials), options.out)

    trials = pd.read_csv(options.out / "trials.csv").dropna(subset="score")
    trials["trial"] = trials["trial"].astype(str)
    is_baseline = trials["trial"] == "as it was"
    best = trials[~is_baseline].nsmallest(3, "score")
    checked = pd.concat([trials[is_baseline], best])
    trial_folders = {
        row["trial"]: options.out / "trials" / row["folder"] for row in checked.to_dict("records")
    }
    rows = [
        [row["set"], f"{100 * row['recall']:.1f} %", f"{100 * row['uar']:.1f} %"]
        for row in GanObjective(search, options.out).score_classifiers(trial_folders)
    ]
    table = markdown_table([f"{options.label} from", "its recall", "UAR"], rows)
    write_text(options.out / "check.md", table)
    print(f"{(options.out / 'trials.md').read_text()}\n{table}\nwritten: {options.out}")


if __name__ == "__main__":
    run_experiment(main, parse())
