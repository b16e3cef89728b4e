import numpy as np
import pandas as pd
import pytest

from serkit.datasets.corpus import Clip, Corpus
from serkit.datasets.protocols import k_fold
from serkit.studies.cross_validation import FoldRun
from serkit.studies.enrollment import (
    ENROLLED_CLIPS,
    ENROLLMENT,
    enrollment_scores,
    has_enough_clips,
    measure_enrollment,
)
from serkit.studies.partitions import Partitions

LABELS = ("angry", "neutral", "sad")
# One speaker has too few clips to be enrolled.
CLIPS = {f"mine-{name}": 4 if name == "f" else 24 for name in "abcdef"}


@pytest.fixture(scope="module")
def partitions() -> list[Partitions]:
    """Folds of speakers whose voices hide a part of the differences between classes."""
    rng = np.random.default_rng(0)
    clips, rows = [], []
    means = rng.normal(size=(len(LABELS), 32))
    for speaker, count in CLIPS.items():
        voice = rng.normal(size=32)
        for number in range(count):
            label = LABELS[number % len(LABELS)]
            path = f"{speaker}-{number}.wav"
            clips.append(Clip(path, "mine", speaker, "", label, label))
            rows.append(means[number % len(LABELS)] + voice + rng.normal(size=32))
    corpus, features = Corpus(tuple(clips), {"": "."}), np.array(rows, "float32")
    splits = k_fold(corpus, "emotion", 0, folds=3)
    return [Partitions(corpus, split, features, "emotion") for split in splits]


def _tables(partitions, folder) -> pd.DataFrame:
    tables = []
    for number, each in enumerate(partitions, 1):
        fold = FoldRun(0, number, each, (), folder / str(number), folder)
        fold.folder.mkdir(parents=True)
        measure_enrollment(fold)
        tables.append(pd.read_csv(fold.folder / ENROLLMENT))
    return pd.concat(tables)


def test_the_other_clips_of_each_speaker_are_predicted(partitions, tmp_path):
    table = _tables(partitions, tmp_path / "once")
    expected = {name: count - ENROLLED_CLIPS for name, count in CLIPS.items() if count > 9}
    assert table["speaker"].value_counts().to_dict() == expected
    assert not table.duplicated("path").any()
    logits = table[[f"logit_{label}" for label in LABELS]].to_numpy()
    assert table["predicted"].tolist() == [LABELS[number] for number in logits.argmax(axis=1)]
    assert (table["predicted"] != table["unknown_speaker"]).any()
    pd.testing.assert_frame_equal(table, _tables(partitions, tmp_path / "again"))


def test_scores_are_those_of_the_table(partitions, tmp_path):
    table = _tables(partitions, tmp_path)
    scores = enrollment_scores(table, LABELS)
    for name, column in (("uar", "predicted"), ("unknown_speaker_uar", "unknown_speaker")):
        recalls = (table[column] == table["truth"]).groupby(table["truth"]).mean()
        assert scores[name]["value"] == pytest.approx(recalls.mean())
    assert scores["difference"]["value"] == pytest.approx(
        scores["uar"]["value"] - scores["unknown_speaker_uar"]["value"]
    )
    assert scores["clips"] == ENROLLED_CLIPS


def test_the_median_speaker_must_have_twice_as_many_clips(partitions):
    corpus = partitions[0].corpus
    assert has_enough_clips(corpus)
    seen = dict.fromkeys(CLIPS, 0)

    def is_among_the_first(clip: Clip) -> bool:
        seen[clip.speaker] += 1
        return seen[clip.speaker] <= 9

    assert not has_enough_clips(corpus.where(is_among_the_first))
