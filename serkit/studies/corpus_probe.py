"""How well the corpus of a clip can be told from its spectrogram."""

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

_FOLDS, _BATCH, _MOST = 4, 256, 4000


def tell_corpora(
    corpus: Corpus, spectrograms: Rows | npt.NDArray[Any], seed: int
) -> dict[str, Any]:
    """Train a linear classifier to predict the corpus of clips of unseen speakers.

    Its features are the mean and standard deviation over time of each bin. If the classifier can
    recognise a corpus, by its microphone and room, and the classes of this corpus differ from those
    of the others, then an emotion classifier may learn the corpus instead of the emotion.

    Args:
        corpus: clips of two or more corpora.
        spectrograms: spectrograms of the clips, ``(clips, frames, bins, 1)``.
        seed: seed of the choice of clips if there are more than 4,000.

    Returns:
        JSON values: ``uar``; ``chance``, one divided by the number of corpora; ``recalls`` by
        corpus; ``clips``, the number of clips; and ``left_out``, the corpora with fewer than two
        speakers, which are left out.

    Raises:
        InputError: if fewer than two corpora have two or more speakers.

    Source: Torralba & Efros (2011), Unbiased Look at Dataset Bias, CVPR ("name that dataset").
    """
    speakers: dict[str, set[str]] = {}
    for clip in corpus.clips:
        speakers.setdefault(clip.corpus, set()).add(clip.speaker)
    names = sorted(name for name, several in speakers.items() if len(several) > 1)
    left_out = sorted(set(speakers) - set(names))
    if len(names) < 2:
        raise InputError(
            f"corpora with two speakers or more: {', '.join(names) or 'none'}; valid are two"
        )
    rows = np.array([row for row, clip in enumerate(corpus.clips) if clip.corpus in names])
    rows = _some_of_each(rows, [corpus.clips[row].speaker for row in rows], seed)
    features = _features(spectrograms, rows)
    truth = np.array([names.index(corpus.clips[row].corpus) for row in rows])
    groups = np.array([corpus.clips[row].speaker for row in rows])
    predicted = np.zeros_like(truth)
    for name in range(len(names)):
        # Each corpus has folds of its own, so that every corpus is in every training partition.
        mine = np.flatnonzero(truth == name)
        folds = min(_FOLDS, len(set(groups[mine])))
        split = GroupKFold(folds).split(mine, groups=groups[mine])
        for _, tested in split:
            out = np.isin(groups, groups[mine[tested]])
            model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
            model.fit(features[~out], truth[~out])
            predicted[mine[tested]] = model.predict(features[mine[tested]])
    found = score(truth, predicted, len(names))
    return {
        "uar": found.uar,
        "chance": 1 / len(names),
        "recalls": dict(zip(names, found.recalls, strict=True)),
        "clips": len(rows),
        "left_out": left_out,
    }


def _some_of_each(rows: npt.NDArray[Any], speakers: Sequence[str], seed: int) -> npt.NDArray[Any]:
    """Return all rows, or about 4,000 at most, with the same maximum for every speaker.

    So no corpus loses its clips if it has only few.
    """
    if len(rows) <= _MOST:
        return rows
    speaker_of = np.asarray(speakers)
    rng, names = np.random.default_rng(seed), np.unique(speaker_of)
    most = max(1, _MOST // len(names))
    chosen = [rng.permutation(rows[speaker_of == name])[:most] for name in names]
    return np.sort(np.concatenate(chosen))


def _features(spectrograms: Rows | npt.NDArray[Any], rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Mean and standard deviation of each bin, ``(rows, 2 * bins)``, read in batches."""
    found = []
    for start in range(0, len(rows), _BATCH):
        some = spectrograms[rows[start : start + _BATCH]][..., 0]
        found.append(np.concatenate([some.mean(axis=1), some.std(axis=1)], axis=1))
    return np.concatenate(found)
