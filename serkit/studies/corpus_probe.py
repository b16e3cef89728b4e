"""Measure how well a classifier can tell a clip's corpus from its spectrogram or features."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from serkit.datasets.corpus import Corpus
from serkit.errors import InputError
from serkit.metrics.classification import score
from serkit.training.shards import Rows

_MAX_FOLDS, _BATCH_SIZE, _MAX_CLIPS = 4, 256, 4000


def tell_corpora(corpus: Corpus, inputs: Rows | npt.NDArray[Any], seed: int) -> dict[str, Any]:
    """Fit linear classifiers that predict a clip's corpus, and score them on unseen speakers.

    Of a spectrogram they get the mean and standard deviation over time of each bin; features of
    an encoder as they are. The classifier may recognise a corpus by its microphone and room. If the
    corpora also differ in how often each class occurs, an emotion classifier may learn the corpus
    instead of the emotion.

    Args:
        corpus: clips of two or more corpora.
        inputs: spectrograms of the clips, ``(clips, frames, bins, 1)``, or their features
            ``(clips, features)``.
        seed: seed of the choice of clips if there are more than 4,000.

    Returns:
        JSON values: ``uar``; ``chance``, one divided by the number of corpora; ``recalls`` by
        corpus; ``clips``, the number of clips that were classified; and ``left_out``, the corpora
        with fewer than two speakers, whose clips are not used.

    Raises:
        InputError: if fewer than two corpora have two or more speakers.

    Source: Torralba & Efros (2011), Unbiased Look at Dataset Bias, CVPR ("name that dataset").
    """
    speakers_by_corpus: dict[str, set[str]] = {}
    for clip in corpus.clips:
        speakers_by_corpus.setdefault(clip.corpus, set()).add(clip.speaker)
    names = sorted(name for name, speakers in speakers_by_corpus.items() if len(speakers) > 1)
    left_out = sorted(set(speakers_by_corpus) - set(names))
    if len(names) < 2:
        raise InputError(
            f"two corpora must have two speakers or more. Received: {', '.join(names) or 'none'}."
        )
    rows = np.array([row for row, clip in enumerate(corpus.clips) if clip.corpus in names])
    rows = _limit_rows(rows, [corpus.clips[row].speaker for row in rows], seed)
    features = inputs[rows] if len(inputs.shape) == 2 else _features(inputs, rows)
    truth = np.array([names.index(corpus.clips[row].corpus) for row in rows])
    speaker_of_clip = np.array([corpus.clips[row].speaker for row in rows])
    predicted = np.zeros_like(truth)
    for corpus_index in range(len(names)):
        # Split each corpus by itself, so that every corpus is in every training partition.
        # Positions are indices into `rows`, `truth` and `features`.
        positions = np.flatnonzero(truth == corpus_index)
        speakers = speaker_of_clip[positions]
        fold_count = min(_MAX_FOLDS, len(set(speakers)))
        for _, test_indices in GroupKFold(fold_count).split(positions, groups=speakers):
            test_positions = positions[test_indices]
            is_held_out = np.isin(speaker_of_clip, speaker_of_clip[test_positions])
            model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
            model.fit(features[~is_held_out], truth[~is_held_out])
            predicted[test_positions] = model.predict(features[test_positions])
    scores = score(truth, predicted, len(names))
    return {
        "uar": scores.uar,
        "chance": 1 / len(names),
        "recalls": dict(zip(names, scores.recalls, strict=True)),
        "clips": len(rows),
        "left_out": left_out,
    }


def _limit_rows(
    rows: npt.NDArray[Any], speaker_of_row: Sequence[str], seed: int
) -> npt.NDArray[Any]:
    """Return all rows if there are at most 4,000, otherwise at most 4,000 of them.

    Every speaker keeps at most the same number of clips, so a speaker with few clips keeps all of
    them. With more than 4,000 speakers, each keeps one clip.
    """
    if len(rows) <= _MAX_CLIPS:
        return rows
    speaker_names = np.asarray(speaker_of_row)
    rng, speakers = np.random.default_rng(seed), np.unique(speaker_names)
    max_rows = max(1, _MAX_CLIPS // len(speakers))
    chosen = [rng.permutation(rows[speaker_names == name])[:max_rows] for name in speakers]
    return np.sort(np.concatenate(chosen))


def _features(spectrograms: Rows | npt.NDArray[Any], rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return mean and standard deviation of each bin, ``(rows, 2 * bins)``, read in batches."""
    features = []
    for start in range(0, len(rows), _BATCH_SIZE):
        batch = spectrograms[rows[start : start + _BATCH_SIZE]][..., 0]
        features.append(np.concatenate([batch.mean(axis=1), batch.std(axis=1)], axis=1))
    return np.concatenate(features)
