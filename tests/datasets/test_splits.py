import csv
import itertools
from dataclasses import replace

import pytest

from serkit.datasets.corpus import Clip, Corpus
from serkit.datasets.splits import Split
from serkit.errors import LeakError
from serkit.files import read_json

CLIP = Clip("x.wav", "c", "s", "male", "sad", "sad", root="r", sentence="01")


def _part(*speakers: str, sentence: str = "01") -> Corpus:
    return Corpus(
        tuple(
            replace(CLIP, path=f"{s}-{sentence}-{n}.wav", speaker=s, sentence=sentence)
            for s, n in itertools.product(speakers, range(2))
        )
    )


def test_a_shared_speaker_is_refused_by_name():
    with pytest.raises(LeakError, match="more than one part: b, c"):
        Split(_part("a", "b", "c"), _part("b"), _part("c", "d"))


def test_the_random_split_of_the_2021_report_may_share_speakers_and_is_leaky():
    split = Split(_part("a", "b"), _part("a", sentence="02"), _part("c"), "random")
    assert split.leaky
    summary = split.summary()
    assert (summary["leaky"], summary["speakers_in_several_parts"]) == (True, ["a"])


def test_no_split_may_share_a_clip():
    with pytest.raises(LeakError, match=r"2 clips in more than one part, such as a-01-0\.wav"):
        Split(_part("a"), _part("a"), _part("b"), "random")


def test_sentences_are_kept_apart_where_that_was_asked_for():
    parts = (_part("a"), _part("b"), _part("c", sentence="02"))
    assert Split(*parts, sentence_disjoint=True).sentence_disjoint
    with pytest.raises(LeakError, match="sentences on both sides: c/01"):
        Split(_part("a"), _part("b"), _part("c"), sentence_disjoint=True)


def test_speakers_of_each_partition():
    speakers = Split(_part("a", "b"), _part("c"), _part("d")).speakers
    assert (speakers.train, speakers.test) == ({"a", "b"}, {"d"})


def test_only_clips_of_training_speakers_may_be_used_for_fitting():
    split = Split(_part("a"), _part("b"), _part("c"))
    split.require_training(split.train.clips)
    with pytest.raises(LeakError, match="not training speakers: b, c"):
        split.require_training([*split.train.clips, *split.validation.clips, *split.test.clips])


def test_a_leaky_split_still_keeps_its_test_clips_from_training():
    split = Split(_part("a"), _part("b"), _part("a", sentence="02"), "random")
    split.require_training(split.train.clips)
    with pytest.raises(LeakError, match="held-out clips of a"):
        split.require_training(split.test.clips)


def test_written_split_lists_speakers_and_every_clip(tmp_path):
    left = replace(CLIP, path="left.wav")
    split = Split(_part("a", "b"), _part("c"), _part("d"), "k-fold", "fold 1 of 3", (left,))
    split.write(tmp_path / "split.json")
    written = read_json(tmp_path / "split.json")
    assert written == split.summary()
    assert written["parts"]["train"]["speakers"] == ["a", "b"]
    assert (written["detail"], written["left_out"]) == ("fold 1 of 3", 1)
    with open(tmp_path / "split.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["part"] for row in rows] == ["train"] * 4 + ["validation"] * 2 + ["test"] * 2 + [""]
    assert rows[-1]["path"] == "left.wav"


def test_the_summary_changes_with_any_clip():
    one = Split(_part("a"), _part("b"), _part("c"))
    other = Split(_part("a"), _part("b"), _part("c", sentence="02"))
    assert one.summary() != other.summary()


def test_test_sentences_are_not_fitted_on_even_if_a_training_speaker_says_them():
    parts = (_part("a"), _part("b"), _part("c", sentence="02"))
    left = _part("a", sentence="02").clips
    split = Split(*parts, left_out=left, sentence_disjoint=True)
    split.require_training(split.train.clips)
    with pytest.raises(LeakError, match="test sentences: c/02"):
        split.require_training(left)
