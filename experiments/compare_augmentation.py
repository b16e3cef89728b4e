"""Question: does filling a rare class with a DCGAN's samples help, more than copies do?

    python experiments/compare_augmentation.py ../shared/data/ravdess --rarify surprise=0.15

What `serkit compare` does, with everything that is trained in plain sight: for each fold of
speakers one GAN, then one classifier for each arm, all on the same clips, tested on the same
strangers; at the end each arm's difference with an interval over speakers. docs/augmentation.md
has the numbers of the whole comparison.
"""

import argparse
from functools import partial

from serkit.cli.running import run_experiment

import numpy as np
import pandas as pd

from serkit.cli.arguments import naming_of, spec_of
from serkit.cli.experiments import experiment_parser, run_of
from serkit.datasets.audit import open_recordings
from serkit.datasets.protocols import k_fold
from serkit.datasets.splits import make_rare
from serkit.errors import check_choice
from serkit.gans.dcgan import DCGAN, DCGANSettings
from serkit.gans.fitting import fit_gan
from serkit.gans.sampling import sample
from serkit.gans.small_data import DiffAugmentSettings
from serkit.metrics.classification import average_recall, confusion_by_speaker
from serkit.metrics.paired import difference
from serkit.models.compact import compact
from serkit.models.fitting import FitSettings, fit_classifier
from serkit.reporting.verdicts import verdict
from serkit.studies.partitions import Partitions, predict_clips
from serkit.studies.run_folder import RunFolder
from serkit.studies.training_sets import copies_of
from serkit.training.examples import Examples
from serkit.training.spectrograms import compute_spectrograms


def parse() -> argparse.Namespace:
    parser = experiment_parser(__doc__.splitlines()[0], "runs/compare-augmentation")
    parser.add_argument("--rarify", type=share, default="surprise=0.15", metavar="CLASS=SHARE")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--gan-steps", type=int, nargs=2, default=(800, 400))
    parser.add_argument("--folds", type=int, default=5)
    return parser.parse_args()


def share(text: str) -> str:
    """``CLASS=SHARE`` as it stands; ValueError if it has no number."""
    float(text.rpartition("=")[2])
    return text


def main(options: argparse.Namespace) -> None:
    # Made with other options, or in use, the folder is refused.
    with run_of(options) as run:
        compare(options, run)


def compare(options: argparse.Namespace, run: RunFolder) -> None:
    spec, (label, _, left) = spec_of(options), options.rarify.rpartition("=")
    corpus = open_recordings(options.roots, naming=naming_of(options)).corpus
    classes, fit = corpus.classes("emotion"), FitSettings(epochs=options.epochs, keep="last")
    check_choice("rarify", label, classes)
    pictures = compute_spectrograms(corpus, spec, cache=options.out / "spectrograms")
    gan_settings = partial(
        DCGANSettings,
        **{"width": 0.25, "batch_size": 16, "discriminator_rate": 2e-4, "ema": 0.99},
        augment=DiffAugmentSettings(),
    )
    tables, splits = [], list(k_fold(corpus, "emotion", 0, folds=options.folds))
    run.begin_work()
    for fold, split in enumerate(splits):
        clips = split.train.counts("emotion")[label]
        split = make_rare(split, "emotion", label, round(float(left) * clips), 0)
        parts, speakers = Partitions(corpus, split, pictures, "emotion"), split.speakers
        train, rare = parts.to_fit(split.train), parts.to_fit(parts.training_clips(label))
        for name, steps, some in zip(("all", label), options.gan_steps, (train, rare), strict=True):
            settings = gan_settings(steps=steps, steps_per_epoch=20)
            gan, folder = DCGAN(settings, 0), options.out / f"fold-{fold}"
            before = folder / "gan-all" if name != "all" else None
            fit_gan(gan, some, speakers, 0, folder / f"gan-{name}", init_from=before, verbose=2)
        missing, number = clips - len(rare), classes.index(label)
        samples = sample(gan.sampler, missing, 0)
        arms = {
            "none": [],
            "oversampling": [copies_of(rare, missing, 0)],
            "dcgan": [Examples(samples, train.speakers, np.full(missing, number))],
        }
        for arm, added in arms.items():
            model = compact(len(classes), spec.shape, None, fold)
            given = Examples.joined([train, *added]), parts.examples(split.validation), speakers
            fit_classifier(model, *given, fit, fold, folder / f"classifier-{arm}", verbose=2)
            found = predict_clips(model, parts, split.test)
            tables.append(found.assign(arm=arm, fold=fold, seed=0))

    cells = {}
    for arm, found in pd.concat(tables).groupby("arm", sort=False):
        truth, called = (found[name].map(classes.index) for name in ("truth", "predicted"))
        where = found["seed"], found["fold"], found["speaker"]
        cells[arm] = confusion_by_speaker(truth, called, *where, len(classes))
        print(f"{arm}: UAR {100 * average_recall(cells[arm].pooled):.1f} %")
    for arm in ("oversampling", "dcgan"):
        apart = difference(cells["none"], cells[arm], average_recall, seed=0)
        speakers = cells[arm].speaker_count
        # Two arms are compared: the most that Holm would do is to double p.
        print(verdict(arm, apart, min(1.0, 2 * apart.p), speakers, 1, leaky=False))


if __name__ == "__main__":
    run_experiment(main, parse())
