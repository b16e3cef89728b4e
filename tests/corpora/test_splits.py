import itertools
from dataclasses import replace

import numpy as np
import pytest

from serkit.corpora.corpus import Clip, Corpus
from serkit.corpora.splits import Split, hold_out
from serkit.errors import InputError, LeakError
from serkit.files import read_json

CLIP = Clip("x.wav", "c", "s", "male", "sad", "sad")


def _corpus(speakers: int, emotions=("sad", "angry"), each: int = 3) -> Corpus:
    return Corpus(
        tuple(
            replace(CLIP, path=f"{s}-{e}-{n}.wav", speaker=f"s{s:02}", emotion=e)
            for s, e, n in itertools.product(range(speakers), emotions, range(each))
        )
    )


@pytest.mark.parametrize("seed", range(5))
def test_no_speaker_in_two_parts_and_every_clip_in_one(synthetic_corpus, seed):
    split = hold_out(synthetic_corpus, "gender_emotion", seed)
    parts = [part.speakers() for part in split.parts().values()]
    assert all(not a & b for a, b in itertools.combinations(parts, 2))
    clips = [clip for part in split.parts().values() for clip in part.clips]
    assert sorted(clips, key=repr) == sorted(synthetic_corpus.clips, key=repr)


def test_shares_are_near_what_is_promised():
    split = hold_out(_corpus(40), "emotion", seed=0)
    shares = np.array([len(part) for part in split.parts().values()]) / 240
    assert np.abs(shares - [0.6, 0.2, 0.2]).max() <= 0.05


def test_a_class_of_few_speakers_reaches_every_part():
    """Three of 20 speakers have the rare class: one must go to each part."""
    common = _corpus(20)
    rare = tuple(
        replace(CLIP, path=f"rare-{s}.wav", speaker=f"s{s:02}", emotion="surprise")
        for s in (4, 9, 17)
    )
    split = hold_out(Corpus(common.clips + rare), "emotion", seed=3)
    assert all("surprise" in part.classes("emotion") for part in split.parts().values())


def test_same_seed_same_split_other_seed_other_split(synthetic_corpus):
    def speakers(seed):
        return sorted(hold_out(synthetic_corpus, "gender_emotion", seed).test.speakers())

    assert speakers(0) == speakers(0)
    assert len({tuple(speakers(seed)) for seed in range(6)}) > 1


def test_too_few_speakers_are_refused():
    with pytest.raises(InputError, match=r"4 speaker\(s\) are too few"):
        hold_out(_corpus(4), "emotion", 0)


def test_a_class_that_cannot_be_trained_on_is_named(monkeypatch):
    """With a single draw, that leaves the one speaker of a class out of training."""
    lone = replace(CLIP, path="lone.wav", speaker="s00", emotion="fear")
    corpus = Corpus((*_corpus(8).clips, lone))
    monkeypatch.setattr("serkit.corpora.splits._ATTEMPTS", 1)
    messages = []
    for seed in range(20):
        try:
            hold_out(corpus, "emotion", seed)
        except InputError as error:
            messages.append(str(error))
    assert messages
    assert all("fear (1)" in message for message in messages)


def test_a_leak_is_refused_by_name():
    corpus = _corpus(6)
    some = corpus.where(lambda clip: clip.speaker in ("s00", "s01"))
    with pytest.raises(LeakError, match="s00, s01"):
        Split(corpus, some, Corpus(()))
    split = hold_out(corpus, "emotion", 0)
    split.require_training(split.train.clips)
    with pytest.raises(LeakError, match=sorted(split.test.speakers())[0]):
        split.require_training([*split.train.clips, *split.test.clips])


def test_written_split_lists_its_speakers(tmp_path):
    split = hold_out(_corpus(6), "emotion", 0)
    split.write(tmp_path / "split.json")
    written = read_json(tmp_path / "split.json")
    assert written["train"] == {
        "speakers": sorted(split.train.speakers()),
        "clips": len(split.train),
    }
