"""Question: does a rare class filled up with a DCGAN's samples help more than one with copies?

    python experiments/compare_augmentation.py ../shared/data/ravdess --rarify surprise=0.15

This script shows each step of `serkit compare`. For each fold of speakers it trains one GAN, then
one classifier per augmentation method ("arm"). All classifiers of a fold are trained on the same
clips and tested on the same held-out speakers. The script prints the difference of each arm to the
arm ``none``, with a confidence interval over speakers. docs/augmentation.md has the numbers of the
whole comparison.
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
from serkit.errors import check_choice, check_range
from serkit.gans.dcgan import DCGAN, DCGAN_RECIPES, SMALL_DATA, dcgan_recipe
from serkit.gans.fitting import fit_gan
from serkit.gans.sampling import sample
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

_STEPS_PER_EPOCH = 20


def parse() -> argparse.Namespace:
    parser = experiment_parser(__doc__.splitlines()[0], "runs/compare-augmentation")
    parser.add_argument(
        "--rarify", type=class_and_share, default="surprise=0.15", metavar="CLASS=SHARE"
    )
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--gan-recipe", choices=DCGAN_RECIPES, default=SMALL_DATA)
    parser.add_argument("--pretraining-steps", type=int, default=800)
    parser.add_argument("--gan-steps", type=int, default=400)
    parser.add_argument("--folds", type=int, default=5)
    return parser.parse_args()


def class_and_share(text: str) -> str:
    """Return ``CLASS=SHARE`` unchanged; raise ValueError if there is no number in it."""
    float(text.rpartition("=")[2])
    return text


def main(options: argparse.Namespace) -> None:
    # Raises an error if the folder was made with other options, or another process uses it.
    with run_of(options) as run:
        compare(options, run)


def compare(options: argparse.Namespace, run: RunFolder) -> None:
    check_range("pretraining_steps", options.pretraining_steps, _STEPS_PER_EPOCH)
    check_range("gan_steps", options.gan_steps, _STEPS_PER_EPOCH)
    spec, (label, _, kept_fraction) = spec_of(options), options.rarify.rpartition("=")
    corpus = open_recordings(options.roots, naming=naming_of(options)).corpus
    classes, fit = corpus.classes("emotion"), FitSettings(epochs=options.epochs, keep="last")
    check_choice("rarify", label, classes)
    spectrograms = compute_spectrograms(corpus, spec, cache=options.out / "spectrograms")
    gan_settings = partial(
        dcgan_recipe, options.gan_recipe, width=0.25, steps_per_epoch=_STEPS_PER_EPOCH
    )
    splits = []
    for whole_split in k_fold(corpus, "emotion", 0, folds=options.folds):
        clip_count = whole_split.train.counts("emotion")[label]
        kept_count = round(float(kept_fraction) * clip_count)
        splits.append((make_rare(whole_split, "emotion", label, kept_count, 0), clip_count))
    tables = []
    run.begin_work()
    for fold, (split, clip_count) in enumerate(splits):
        partitions, speakers = Partitions(corpus, split, spectrograms, "emotion"), split.speakers
        train, rare = (
            partitions.to_fit(split.train),
            partitions.to_fit(partitions.training_clips(label)),
        )
        folder = options.out / f"fold-{fold}"
        pretraining_folder, gan_folder = folder / "gan-all", folder / f"gan-{label}"
        if options.gan_recipe == SMALL_DATA:
            pretrained = DCGAN(gan_settings(len(train), steps=options.pretraining_steps), 0)
            fit_gan(pretrained, train, speakers, 0, pretraining_folder, verbose=2)
        gan = DCGAN(gan_settings(len(rare), steps=options.gan_steps), 0)
        start = pretraining_folder if options.gan_recipe == SMALL_DATA else None
        fit_gan(gan, rare, speakers, 0, gan_folder, init_from=start, verbose=2)
        missing, class_number = clip_count - len(rare), classes.index(label)
        samples = sample(gan.sampler, missing, 0)
        arms = {
            "none": [],
            "oversampling": [copies_of(rare, missing, 0)],
            "dcgan": [Examples(samples, train.speakers, np.full(missing, class_number))],
        }
        for arm, added in arms.items():
            model = compact(len(classes), spec.shape, None, fold)
            fit_classifier(
                model,
                Examples.joined([train, *added]),
                partitions.examples(split.validation),
                speakers,
                fit,
                fold,
                folder / f"classifier-{arm}",
                verbose=2,
            )
            found = predict_clips(model, partitions, split.test)
            tables.append(found.assign(arm=arm, fold=fold, seed=0))

    confusion_by_arm = {}
    for arm, rows in pd.concat(tables).groupby("arm", sort=False):
        confusion = confusion_by_speaker(
            rows["truth"].map(classes.index),
            rows["predicted"].map(classes.index),
            rows["seed"],
            rows["fold"],
            rows["speaker"],
            len(classes),
        )
        confusion_by_arm[arm] = confusion
        print(f"{arm}: UAR {100 * average_recall(confusion.pooled):.1f} %")
    for arm in ("oversampling", "dcgan"):
        confusion = confusion_by_arm[arm]
        gain = difference(confusion_by_arm["none"], confusion, average_recall, seed=0)
        # Two arms are compared, so Holm's correction multiplies p by two at most.
        corrected_p = min(1.0, 2 * gain.p)
        print(verdict(arm, gain, corrected_p, confusion.speaker_count, 1, leaky=False))


if __name__ == "__main__":
    run_experiment(main, parse())
