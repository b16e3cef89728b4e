import itertools
from dataclasses import replace

import pytest

from serkit.datasets.assignment import keep_sentences_apart
from serkit.datasets.corpus import Clip, Corpus
from serkit.datasets.splits import Split
from serkit.errors import InputError

CLIP = Clip("x.wav", "c", "s", "male", "sad", "sad")


def _part(speakers: str, sentences, corpus="c") -> Corpus:
    return Corpus(
        tuple(
            replace(
                CLIP,
                path=f"{corpus}/{sp}-{se}-{e}",
                corpus=corpus,
                speaker=f"{corpus}-{sp}",
                sentence=se,
                emotion=e,
            )
            for sp, se, e in itertools.product(speakers, sentences, ("sad", "happy"))
        )
    )


def _join(*parts: Corpus) -> Corpus:
    return Corpus(tuple(clip for part in parts for clip in part.clips))


@pytest.mark.parametrize("seed", range(3))
def test_no_test_sentence_is_in_training_or_validation(seed):
    sentences = [f"{n:02}" for n in range(12)]
    split = Split(_part("ab", sentences), _part("c", sentences), _part("d", sentences))
    found = keep_sentences_apart(split, "emotion", seed)
    tested = {clip.sentence for clip in found.test.clips}
    heard = {clip.sentence for part in (found.train, found.validation) for clip in part.clips}
    assert len(tested) == 4
    assert len(heard) == 8
    assert not tested & heard
    assert found.sentence_disjoint
    kept = sum(map(len, found.partitions().values()))
    assert kept + len(found.left_out) == 4 * 24


def test_two_sentences_are_one_for_each_side():
    split = Split(_part("ab", ("01", "02")), _part("c", ("01", "02")), _part("d", ("01", "02")))
    found = keep_sentences_apart(split, "emotion", 0)
    assert {len({c.sentence for c in part.clips}) for part in found.partitions().values()} == {1}


def test_each_corpus_has_sentences_on_both_sides():
    def both(speakers):
        return _join(_part(speakers, ("1", "2")), _part(speakers, ("x", "y", "z"), "d"))

    found = keep_sentences_apart(Split(both("ab"), both("e"), both("f")), "emotion", 1)
    for part in found.partitions().values():
        assert {clip.corpus for clip in part.clips} == {"c", "d"}


def test_sentences_must_be_known_and_more_than_one():
    split = Split(_part("a", ("",)), _part("b", ("",)), _part("c", ("",)))
    with pytest.raises(InputError, match=r"`sentence_disjoint`.* 6 clips of c"):
        keep_sentences_apart(split, "emotion", 0)
    split = Split(_part("a", ("1",)), _part("b", ("1",)), _part("c", ("1",)))
    with pytest.raises(InputError, match=r"`sentence_disjoint`.* 1 sentence of c"):
        keep_sentences_apart(split, "emotion", 0)


def test_splits_without_shared_sentences_lose_nothing():
    split = Split(_part("a", ("1", "2")), _part("b", ("2", "3")), _part("c", ("8", "9")))
    found = keep_sentences_apart(split, "emotion", 0)
    assert found.left_out == ()
    assert found.sentence_disjoint
    assert found.partitions() == split.partitions()


def test_a_part_that_would_be_empty_is_an_error():
    split = Split(_part("a", ("1", "2", "3")), _part("b", ("3",)), _part("c", ("1",)))
    messages = set()
    for seed in range(9):
        try:
            parts = keep_sentences_apart(split, "emotion", seed).partitions()
            assert all(len(part) for part in parts.values())
        except InputError as error:
            messages.add(str(error))
    assert messages
    assert all("partition has no clip" in message for message in messages)
