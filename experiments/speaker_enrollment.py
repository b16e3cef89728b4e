"""Question: how many recordings of a speaker does a classifier need to adapt to the voice?

    python experiments/speaker_enrollment.py ../shared/data/ravdess --seeds 0 1 2 3 4
    python experiments/speaker_enrollment.py ROOT... --classifier whisper-base.en  # or --weights F

A few recordings of each test speaker are enrolled and the other recordings are predicted, in folds
of speakers, by :class:`serkit.models.speaker_adaptive.SpeakerAdaptiveLDA` on the features of a
frozen Whisper encoder. Kinds of recordings:

- mixed: drawn at random; their classes are not told to the classifier.
- neutral, told: drawn from the neutral ones; the classifier is told that they are neutral.
- only <emotion>: drawn from one emotion, which the classifier is not told.

Each row compares the predictions with those of the same classifier for unknown speakers, on the
same clips, which are never enrolled ones. The row `all, transductive` is no enrollment: the mean
over all of the speaker's clips, those of the test included, is taken off the features of each, in
training as well. docs/classifiers.md has the result.

Source: the speaker normalisation of Pepino et al. (2021), arXiv:2104.03502, which needs all clips
of a speaker.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from serkit.cli.running import run_experiment

import numpy as np
import numpy.typing as npt
import pandas as pd

from serkit.cli.experiments import cross_validation, cross_validation_parser
from serkit.formatting import markdown_table
from serkit.models.linear_head import fit_linear_head
from serkit.models.speaker_adaptive import UNKNOWN, fit_speaker_adaptive_lda
from serkit.models.speech_features import SpeechFeatures
from serkit.models.whisper_weights import PRESETS, whisper_from_preset
from serkit.seeds import derive_seed
from serkit.studies.answers import compare_answers
from serkit.studies.cross_validation import FoldRun
from serkit.studies.exports import format_interval, format_signed_interval
from serkit.studies.partitions import Partitions, predict_clips, without_speaker_means

ANSWERS = "answers.csv"
MIXED, TOLD, ONE_EMOTION = (1, 2, 5, 10, 30), (1, 2, 4, 8), (1, 4, 12)
TRANSDUCTIVE, UNKNOWN_SPEAKER = "all, transductive", "unknown speaker"


def parse() -> argparse.Namespace:
    parser = cross_validation_parser(
        __doc__.splitlines()[0], "runs/speaker-enrollment", spectrograms=False
    )
    parser.add_argument("--classifier", dest="model", choices=PRESETS, default="whisper-tiny.en")
    parser.add_argument("--weights", help="file of the weights; default: find or download them")
    return parser.parse_args()


def main(options: argparse.Namespace) -> None:
    features = SpeechFeatures(whisper_from_preset(options.model, options.weights))
    with cross_validation(options, features, results=ANSWERS, report=report) as folds:
        for fold in folds:
            partitions = fold.partitions.split_by(fold.partitions.split.without_validation())
            fold.write_table(pd.concat(answers(fold, partitions)), ANSWERS)


def answers(fold: FoldRun, partitions: Partitions) -> Iterator[pd.DataFrame]:
    """Yield the predictions of each row of the table, and those for unknown speakers beside."""
    split, classes = partitions.split, partitions.classes
    adaptive = fit_speaker_adaptive_lda(
        partitions.to_fit(split.train),
        [clip.speaker for clip in split.train.clips],
        split.speakers,
        len(classes),
    )
    for speaker in sorted(split.test.speakers()):
        own = split.test.where(lambda clip, speaker=speaker: clip.speaker == speaker)
        features, labels = partitions.spectrograms(own), partitions.labels(own)
        without = np.asarray(adaptive(features))
        for row, enrolled, told in draws(labels, classes, fold.seed, speaker):
            vector = adaptive.enroll(features[enrolled], told)
            scored = np.setdiff1d(np.arange(len(labels)), enrolled)
            pairs = ((row, np.asarray(adaptive(features, vector))), (UNKNOWN_SPEAKER, without))
            for arm, logits in pairs:
                yield pd.DataFrame(
                    {
                        "row": row,
                        "arm": arm,
                        "speaker": speaker,
                        "truth": np.array(classes)[labels[scored]],
                        "predicted": np.array(classes)[logits[scored].argmax(axis=1)],
                    }
                )
    for arm, inputs in ((TRANSDUCTIVE, normalized(partitions)), (UNKNOWN_SPEAKER, partitions)):
        head = fit_linear_head(inputs.to_fit(split.train), split.speakers, len(classes))
        found = predict_clips(head, inputs, split.test)[["speaker", "truth", "predicted"]]
        yield found.assign(row=TRANSDUCTIVE, arm=arm)


def draws(
    labels: npt.NDArray[np.int64], classes: Sequence[str], seed: int, speaker: str
) -> Iterator[tuple[str, npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Yield the name of a row, positions of a speaker's clips to enroll, and classes to tell."""
    kinds = [("mixed", np.arange(len(labels)), MIXED)]
    for number, label in enumerate(classes):
        of_class = np.flatnonzero(labels == number)
        if label == "neutral":
            kinds.append(("neutral, told", of_class, TOLD))
        kinds.append((f"only {label}", of_class, ONE_EMOTION))
    for kind, positions, counts in kinds:
        random = np.random.default_rng(derive_seed(seed, "enrollment", speaker, kind))
        order = random.permutation(positions)
        for count in counts:
            # One clip of a class is left to be scored.
            enrolled = order[: min(count, len(order) - 1)]
            told = labels[enrolled] if kind == "neutral, told" else np.full(len(enrolled), UNKNOWN)
            yield f"{kind}, {count}", enrolled, told


def normalized(partitions: Partitions) -> Partitions:
    """Return the same clips with the mean of each speaker taken off their features."""
    corpus = partitions.corpus
    speakers = [clip.speaker for clip in corpus.clips]
    features = without_speaker_means(partitions.spectrograms(corpus), speakers)
    return Partitions(corpus, partitions.split, features, partitions.label_set)


def report(table: pd.DataFrame, classes: Sequence[str]) -> str:
    """Return a row for each kind and number of enrolled clips, in per cent with 95 % intervals."""
    rows = []
    for name, pair in table.groupby("row", sort=False):
        # Seeds score other clips, so their predictions are taken together.
        results = compare_answers(pair.assign(seed=0), classes, UNKNOWN_SPEAKER)
        uars = {each.arm: format_interval(asdict(each.uar)) for each in results}
        (difference,) = (each.difference for each in results if each.difference)
        unknown = uars.pop(UNKNOWN_SPEAKER)
        row = [name, *uars.values(), unknown]
        rows.append([*row, format_signed_interval(asdict(difference.estimate))])
    header = ["enrolled clips", "UAR", f"UAR, {UNKNOWN_SPEAKER}, same clips", "difference"]
    return markdown_table(header, rows)


if __name__ == "__main__":
    run_experiment(main, parse())
