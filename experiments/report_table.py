"""Question: what remains of the accuracies of the 2021 report (figure 19) on unseen speakers?

    python experiments/report_table.py RAVDESS TESS SAVEE CREMA-D --gan-width 1
    python experiments/report_table.py ../shared/data/ravdess --weights none --gan-steps 20 \\
        --epochs 1 --first-folds 1                       # a quick check that it runs

The script first measures and prints the time that it will take. Training accuracy is that of the
network that is kept, without dropout.

Source: 2021 report, section 7 and figures 18 and 19: training and validation accuracy of three
networks on original and augmented clips, with 14 classes, the 2021 report's plan, its GAN (the
recipe ``report`` of serkit.gans.dcgan) and its random split. The same accuracies are measured on
folds of speakers. The results are meaningful with ImageNet weights only.
"""

import argparse
from functools import partial

from serkit.cli.running import run_experiment

import numpy as np

from serkit.cli.arguments import naming_of, recordings_of, spec_of
from serkit.cli.experiments import experiment_parser
from serkit.files import write_text
from serkit.formatting import markdown_table
from serkit.gans.dcgan import REPORT
from serkit.studies.comparison import open_comparison
from serkit.studies.comparison_settings import ComparisonSettings
from serkit.studies.cost import cost_table, estimate_cost
from serkit.studies.gan_kinds import GanSizes
from serkit.studies.run_folder import RunFolder
from serkit.training.precision import PRECISIONS, fastest_precision

# Accuracies of the 2021 report in per cent: training accuracy on original and on augmented clips,
# then validation accuracy after training on original and on augmented clips.
REPORTED_ACCURACIES = {
    "resnet50-head": (48.1, 53.6, 47.8, 52.9),
    "vgg16-head": (80.2, 83.6, 67.7, 73.8),
    "vgg16-half-freeze": (87.7, 99.8, 73.9, 79.3),
}


def parse() -> argparse.Namespace:
    parser = experiment_parser(__doc__.splitlines()[0], "runs/report-table")
    parser.add_argument("--weights", default="imagenet", help="imagenet, none, or a file")
    parser.add_argument("--gan-width", type=float, default=0.25)
    parser.add_argument("--gan-steps", type=int, default=2000)
    parser.add_argument(
        "--frozen-convs", type=int, choices=[8, 10], default=10, help="8 as in the report's listing"
    )
    parser.add_argument("--precision", choices=PRECISIONS, default=fastest_precision())
    parser.add_argument("--epochs", type=int, help="default: each network's own")
    parser.add_argument("--first-folds", type=int, default=0)
    return parser.parse_args()


def main(options: argparse.Namespace) -> None:
    settings = ComparisonSettings(
        roots=recordings_of(options),
        arms=("none", "dcgan"),
        classifiers=tuple(REPORTED_ACCURACIES),
        label_set="gender_emotion",
        protocol="both",
        plan="report",
        weights=options.weights,
        spec=spec_of(options),
        gans=GanSizes(options.gan_width, pretraining=0, steps=options.gan_steps),
        gan_recipe=REPORT,
        first_folds=options.first_folds,
        naming=naming_of(options),
        frozen_convs=options.frozen_convs,
        precision=options.precision,
    ).with_epochs(options.epochs)
    with RunFolder(options.out, settings.to_json()) as run:
        comparison = open_comparison(run, settings)
        print(cost_table(estimate_cost(comparison, say=partial(print, flush=True))), flush=True)
        comparison.run()
        rows = []
        for name, reported in REPORTED_ACCURACIES.items():
            rows.append([f"{name}, the report", *(f"{value:.1f}" for value in reported)])
            for protocol in ("random", "k-fold"):
                done = [comparison.finished_runs(protocol, name, arm) for arm in comparison.arms]
                # Training runs of earlier versions have no training accuracy without dropout.
                training = [
                    [run.record().get("train_accuracy", np.nan) for run in runs] for runs in done
                ]
                validation = [[run.kept_epoch()["val_accuracy"] for run in runs] for runs in done]
                means = [100 * np.mean(values) for values in (*training, *validation)]
                speakers = "random split, LEAKY" if protocol == "random" else "unseen speakers"
                rows.append([f"{name}, {speakers}", *(f"{mean:.1f}" for mean in means)])
    header = [
        "accuracy, per cent",
        "training, original",
        "training, augmented",
        "validation, original",
        "validation, augmented",
    ]
    text = markdown_table(header, rows)
    write_text(options.out / "table-19.md", text)
    print(f"{text}\nwritten: {options.out / 'table-19.md'}")


if __name__ == "__main__":
    run_experiment(main, parse())
