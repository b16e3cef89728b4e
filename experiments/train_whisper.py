"""Claim: a frozen Whisper encoder and a linear classifier beat every network trained from scratch.

    python experiments/train_whisper.py ../shared/data/ravdess
    python experiments/train_whisper.py ROOT... --classifier whisper-base.en    # or --weights FILE

Source: Pepino et al. (2021), arXiv:2104.03502, for frozen encoders and all of their layers. Three
tables, all on the same folds of speakers and seeds:

- heads: several classifiers of the same features. The UAR on validation speakers chooses one; the
  classifier is then fitted on training and validation speakers for the UAR on test speakers.
- speakers: the default classifier, fitted on 4, 8, 12 or all 16 of the fold's other speakers.
- rare: two classes keep 14 training clips: nothing is done, class weights, copies of clips.

On RAVDESS actors 1 to 20 guessing gives a UAR of 14.3 %. Measured: 76.5 % with all clips, and
69.9 % with 14 clips of two classes; docs/classifiers.md has the tables.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from serkit.cli.running import run_experiment

import numpy as np
import pandas as pd
from scipy.special import softmax

from serkit.cli.experiments import cross_validation, cross_validation_parser
from serkit.datasets.corpus import Corpus
from serkit.datasets.splits import Split, make_rare
from serkit.formatting import markdown_table
from serkit.models.linear_head import LinearHeadSettings, fit_linear_head
from serkit.models.speech_features import SpeechFeatures
from serkit.models.whisper_weights import PRESETS, whisper_from_preset
from serkit.reporting.tables import groups_of_clips, scores_of_folds
from serkit.seeds import derive_seed
from serkit.studies.cross_validation import FoldRun
from serkit.studies.partitions import Partitions, predict_clips
from serkit.training.examples import Examples

ANSWERS = "answers.csv"
SPEEDS = (0.9, 1.1)
RARE, RARE_CLIPS = ("disgust", "surprise"), 14


@dataclass(frozen=True)
class Variant:
    """A row of a table.

    Attributes:
        table: ``heads``, ``speakers`` or ``rare``.
        name: name of the row.
        settings: settings of the classifier.
        last_block: whether only the features of the last block are used.
        speeds: whether training clips are also used at other speeds.
        averaged: whether the probabilities at all speeds are averaged.
        speakers: number of training speakers; 0 for all.
        copies: whether the clips of rare classes are repeated until all classes have equally many.
    """

    table: str
    name: str
    settings: LinearHeadSettings = field(default_factory=LinearHeadSettings)
    last_block: bool = False
    speeds: bool = False
    averaged: bool = False
    speakers: int = 0
    copies: bool = False


UNWEIGHTED = LinearHeadSettings(class_weights="none")
VARIANTS = (
    Variant("heads", "default: LDA and logistic regression, 128 components"),
    Variant("heads", "LDA", LinearHeadSettings("lda")),
    Variant("heads", "logistic regression", LinearHeadSettings("logistic")),
    Variant("heads", "64 components", LinearHeadSettings(components=64)),
    Variant("heads", "256 components", LinearHeadSettings(components=256)),
    Variant("heads", "384 components", LinearHeadSettings(components=384)),
    Variant("heads", "last block only", last_block=True),
    Variant("heads", "also trained at 0.9 and 1.1 of the speed", speeds=True),
    Variant("heads", "the same, three speeds averaged", speeds=True, averaged=True),
    *(Variant("speakers", f"{n} speakers", speakers=n) for n in (4, 8, 12)),
    Variant("speakers", "all other speakers"),
    Variant("rare", "none", UNWEIGHTED),
    Variant("rare", "class weights"),
    Variant("rare", "copies", UNWEIGHTED, copies=True),
    Variant("rare", "class weights, 64 components", LinearHeadSettings(components=64)),
)


def main(options: argparse.Namespace) -> None:
    features = SpeechFeatures(whisper_from_preset(options.model, options.weights))
    with cross_validation(options, features, SPEEDS, ANSWERS, report) as folds:
        for fold in folds:
            tables = [
                answer.assign(table=variant.table, variant=variant.name, partition=partition)
                for variant in VARIANTS
                for partition, answer in answers(fold, variant, features.block_width)
            ]
            fold.write_table(pd.concat(tables), ANSWERS)


def parse() -> argparse.Namespace:
    parser = cross_validation_parser(
        __doc__.splitlines()[0], "runs/train-whisper", spectrograms=False
    )
    parser.add_argument("--classifier", dest="model", choices=PRESETS, default="whisper-tiny.en")
    parser.add_argument("--weights", help="file of the weights; default: find or download them")
    return parser.parse_args()


def answers(
    fold: FoldRun, variant: Variant, block_width: int
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield ``test`` with the predictions of the test clips; for a head, ``validation`` before."""
    split = fold.partitions.split
    if variant.table == "heads":
        yield "validation", predict(fold, variant, split, split.validation, block_width)
    whole = split.without_validation()
    if variant.speakers:
        whole = with_speakers(whole, variant.speakers, derive_seed(fold.seed, "speakers"))
    if variant.table == "rare":
        for label in RARE:
            whole = make_rare(whole, "emotion", label, RARE_CLIPS, fold.seed)
    yield "test", predict(fold, variant, whole, whole.test, block_width)


def with_speakers(split: Split, count: int, seed: int) -> Split:
    """Return the split with the clips of ``count`` random training speakers."""
    speakers = sorted(split.train.speakers())
    kept = set(np.random.default_rng(seed).permutation(speakers)[:count])
    return replace(split, train=split.train.where(lambda clip: clip.speaker in kept))


def predict(
    fold: FoldRun, variant: Variant, split: Split, clips: Corpus, block_width: int
) -> pd.DataFrame:
    """Fit a variant on the training partition of a split, and predict some clips."""
    at_speeds = [
        features_of(partitions, split, block_width if variant.last_block else 0)
        for partitions in (fold.partitions, *fold.partitions_at_other_speeds)
    ]
    examples = [partitions.to_fit(split.train) for partitions in at_speeds]
    train = Examples.joined(examples if variant.speeds else examples[:1])
    if variant.copies:
        train = with_copies(train)
    head = fit_linear_head(train, split.speakers, len(at_speeds[0].classes), variant.settings)
    if not variant.averaged:
        return predict_clips(head, at_speeds[0], clips)
    return averaged([predict_clips(head, partitions, clips) for partitions in at_speeds])


def features_of(partitions: Partitions, split: Split, count: int) -> Partitions:
    """Return another split of the clips with their last ``count`` features; 0 for all."""
    features = partitions.spectrograms(partitions.corpus)[:, -count:]
    return Partitions(partitions.corpus, split, features, partitions.label_set)


def with_copies(train: Examples) -> Examples:
    """Repeat the examples of each class until it is about as large as the largest."""
    counts = np.bincount(train.class_numbers)
    repeats = np.rint(counts.max() / counts[train.class_numbers]).astype(int)
    positions = np.repeat(np.arange(len(train)), repeats)
    return replace(
        train,
        spectrograms=np.asarray(train.spectrograms)[positions],
        labels=train.class_numbers[positions],
    )


def averaged(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return predictions by the mean of the probabilities of several tables of the same clips."""
    names = [name for name in tables[0] if name.startswith("logit_")]
    mean = np.mean([softmax(table[names].to_numpy(), axis=1) for table in tables], axis=0)
    labels = np.array([name.removeprefix("logit_") for name in names])
    return tables[0].assign(predicted=labels[mean.argmax(axis=1)])


def report(predictions: pd.DataFrame, classes: Sequence[str]) -> str:
    """Return the three tables: UAR on validation speakers, and on test speakers with intervals."""
    tables = []
    for name, of_table in predictions.groupby("table", sort=False):
        rows = []
        for variant, of_variant in of_table.groupby("variant", sort=False):
            validation = of_variant[of_variant["partition"] == "validation"]
            test = of_variant[of_variant["partition"] == "test"]
            rows.append([variant, *cells(validation, test, classes)])
        header = [name, "validation UAR", "mean UAR", "UAR", f"recall of {' and '.join(RARE)}"]
        tables.append(markdown_table([*header, "macro F1", "accuracy"], rows))
    return "\n".join(tables)


def cells(validation: pd.DataFrame, test: pd.DataFrame, classes: Sequence[str]) -> list[str]:
    validation_uar = ""
    if len(validation):
        validation_uar = f"{100 * scores_of_folds(validation, classes)['uar'].mean():.1f}"
    seed_means = scores_of_folds(test, classes)["uar"].groupby("seed").mean()
    mean = f"{100 * seed_means.mean():.1f}"
    if len(seed_means) > 1:
        mean += f" ± {100 * seed_means.std(ddof=1):.1f}"
    measures = groups_of_clips(test, classes)[0].measures
    is_rare = test["truth"].isin(RARE)
    rare_recall = np.mean(test["truth"][is_rare] == test["predicted"][is_rare])
    intervals = [str(measures.macro_f1), str(measures.accuracy)]
    return [validation_uar, mean, str(measures.uar), f"{100 * rare_recall:.1f}", *intervals]


if __name__ == "__main__":
    run_experiment(main, parse())
