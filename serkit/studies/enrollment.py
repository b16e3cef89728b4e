"""Test how much a classifier of an encoder's features gains from recordings of the speaker."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import keras
import numpy as np
import pandas as pd

from serkit.datasets.corpus import Corpus
from serkit.models.speaker_adaptive import UNKNOWN, SpeakerAdaptiveLDA, fit_speaker_adaptive_lda
from serkit.seeds import derive_seed
from serkit.serialization import plain
from serkit.studies.answers import compare_answers
from serkit.studies.cross_validation import FoldRun
from serkit.studies.exports import format_interval, format_signed_interval
from serkit.studies.partitions import Partitions, predict_clips

ENROLLMENT = "enrollment.csv"
"""Name of the file in a fold's folder with predictions after enrollment."""
ENROLLED_CLIPS = 5
_MIN_CLIPS = 2 * ENROLLED_CLIPS
_ENROLLED, _UNKNOWN_SPEAKER = "enrolled", "unknown speaker"


def has_enough_clips(corpus: Corpus) -> bool:
    """Return whether the median speaker has twice as many clips as are enrolled."""
    clips = pd.Series([clip.speaker for clip in corpus.clips]).value_counts()
    return bool(clips.median() >= _MIN_CLIPS)


def fit_adaptive(partitions: Partitions) -> SpeakerAdaptiveLDA:
    """Fit a classifier that adapts to speakers on the training partition.

    Args:
        partitions: features of an encoder, see :class:`~serkit.models.speech_features`.

    Raises:
        LeakError: if a clip may not be used for fitting.
    """
    train = partitions.split.train
    return fit_speaker_adaptive_lda(
        partitions.to_fit(train),
        [clip.speaker for clip in train.clips],
        partitions.split.speakers,
        len(partitions.classes),
    )


def measure_enrollment(fold: FoldRun) -> None:
    """Enroll a few clips of each test speaker, predict the others, and write the predictions.

    The clips are drawn at random; their classes are not used. The classifier is fitted on training
    and validation speakers. The table has the columns of
    :func:`serkit.studies.partitions.predict_clips` and ``unknown_speaker``, the label without
    enrollment. Speakers with fewer than ten clips are left out.
    """
    partitions = fold.partitions.split_by(fold.partitions.split.without_validation())
    classifier = fit_adaptive(partitions)
    inputs = keras.Input((classifier.mean.shape[0],))
    model = keras.Model(inputs, classifier(inputs))
    test = partitions.split.test
    features, without = partitions.spectrograms(test), predict_clips(model, partitions, test)
    without["unknown_speaker"] = without["predicted"]
    tables = [without.iloc[:0]]
    for speaker, positions in without.groupby("speaker").indices.items():
        if len(positions) < _MIN_CLIPS:
            continue
        random = np.random.default_rng(derive_seed(fold.seed, "enrollment", speaker))
        enrolled, scored = np.split(random.permutation(positions), [ENROLLED_CLIPS])
        voice = classifier.enroll(features[enrolled], np.full(ENROLLED_CLIPS, UNKNOWN))
        logits = np.asarray(classifier(features[scored], voice))
        changed = {f"logit_{label}": logits[:, i] for i, label in enumerate(partitions.classes)}
        changed["predicted"] = np.array(partitions.classes)[logits.argmax(axis=1)]
        tables.append(without.iloc[scored].assign(**changed))
    fold.write_table(pd.concat(tables), ENROLLMENT)


def enrollment_scores(predictions: pd.DataFrame, classes: Sequence[str]) -> dict[str, Any]:
    """Return the UAR with and without enrollment, and their difference, as JSON values.

    Args:
        predictions: tables of :func:`measure_enrollment` of all folds.
        classes: class names.
    """
    arms = [
        predictions.assign(arm=_UNKNOWN_SPEAKER, predicted=predictions["unknown_speaker"]),
        predictions.assign(arm=_ENROLLED),
    ]
    without, after = compare_answers(pd.concat(arms), classes, _UNKNOWN_SPEAKER)
    assert after.difference is not None
    return plain(
        {
            "clips": ENROLLED_CLIPS,
            "uar": asdict(after.uar),
            "unknown_speaker_uar": asdict(without.uar),
            "difference": asdict(after.difference.estimate),
        }
    )


def enrollment_sentence(scores: Mapping[str, Any]) -> str:
    """Say what :func:`enrollment_scores` has measured."""
    return (
        "A second classifier, which adapts to a speaker, has UAR "
        f"{format_interval(scores['uar'])} after enrollment of {scores['clips']} clips without "
        f"labels, and {format_interval(scores['unknown_speaker_uar'])} without enrollment, on the "
        f"same clips: {format_signed_interval(scores['difference'])}"
    )
