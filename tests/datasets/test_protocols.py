import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serkit.datasets.corpus import Clip, Corpus
from serkit.datasets.protocols import (
    PROTOCOLS,
    hold_out,
    k_fold,
    leave_one_corpus_out,
    leave_one_speaker_out,
    make_splits,
    random_split,
)
from serkit.datasets.roots import READERS
from serkit.errors import InputError

CLIP = Clip("x.wav", "c", "s", "male", "sad", "sad")
EMOTIONS = ("sad", "angry", "happy")


def _corpus(speakers: int, emotions=("sad", "angry"), each: int = 3) -> Corpus:
    return Corpus(
        tuple(
            replace(CLIP, path=f"{s}-{e}-{n}.wav", speaker=f"s{s:02}", emotion=e)
            for s, e, n in itertools.product(range(speakers), emotions, range(each))
        )
    )


@st.composite
def corpora(draw) -> Corpus:
    """Five to fourteen speakers of one or two corpora, each with some clips of some emotions."""
    clips = []
    for speaker in range(draw(st.integers(5, 14))):
        corpus = draw(st.sampled_from(("a", "b")))
        for emotion in EMOTIONS:
            # The first emotion is everybody's, or some speakers would have no clip at all.
            fewest = 1 if emotion == "sad" else 0
            for number in range(draw(st.integers(fewest, 4))):
                clips.append(
                    replace(
                        CLIP,
                        path=f"{speaker}-{emotion}-{number}",
                        corpus=corpus,
                        speaker=f"{corpus}-{speaker}",
                        emotion=emotion,
                        sentence=str(number % 2),
                    )
                )
    return Corpus(tuple(clips))


def _try(protocol: str, corpus: Corpus, seed: int, label_set: str = "emotion"):
    """The splits, or none where a protocol says that it does not fit the corpus."""
    try:
        return make_splits(protocol, corpus, label_set, seed)
    except InputError:
        return ()


@given(corpora(), st.integers(0, 9), st.sampled_from(sorted(PROTOCOLS)))
@settings(max_examples=100)
def test_no_speaker_on_two_sides_and_every_clip_in_exactly_one_part(corpus, seed, protocol):
    for split in _try(protocol, corpus, seed):
        parts = split.partitions().values()
        speakers = [part.speakers() for part in parts]
        shared = any(a & b for a, b in itertools.combinations(speakers, 2))
        assert not shared or protocol == "random"
        assert split.leaky == (protocol == "random")
        clips = sorted(clip.path for part in parts for clip in part.clips)
        assert clips == sorted(clip.path for clip in corpus.clips)
        assert all(len(part) for part in parts)


@given(corpora(), st.integers(0, 9))
@settings(max_examples=60)
def test_folds_test_every_clip_once(corpus, seed):
    speakers = {e: {c.speaker for c in corpus.clips if c.emotion == e} for e in EMOTIONS}
    if any(0 < len(names) <= 2 for names in speakers.values()):
        # With three folds there is one to train on, and nobody left in it for such a class.
        with pytest.raises(InputError, match="few speakers"):
            k_fold(corpus, "emotion", seed, folds=3)
        return
    splits = k_fold(corpus, "emotion", seed, folds=3)
    tested = sorted(clip.path for split in splits for clip in split.test.clips)
    assert tested == sorted(clip.path for clip in corpus.clips)


def _unevenness(splits, corpus: Corpus) -> float:
    whole = corpus.counts("emotion")
    found = 0.0
    for split in splits:
        counts = split.test.counts("emotion")
        found += sum((counts.get(e, 0) / n - 1 / len(splits)) ** 2 for e, n in whole.items())
        found += len(whole) * (len(split.test) / len(corpus) - 1 / len(splits)) ** 2
    return found


@given(corpora(), st.integers(0, 3))
@settings(max_examples=40)
def test_class_fractions_differ_by_no_more_than_the_speakers_force(corpus, seed):
    """Exchanging any two speakers, or moving any one, would make the folds no more even."""
    try:
        splits = k_fold(corpus, "emotion", seed, folds=3)
    except InputError:
        return
    fold_of = {s: n for n, split in enumerate(splits) for s in split.test.speakers()}
    emotions = list(corpus.classes("emotion"))
    wholes = np.array([corpus.counts("emotion")[e] for e in emotions])
    rows = {s: np.zeros(len(emotions)) for s in fold_of}
    for clip in corpus.clips:
        rows[clip.speaker][emotions.index(clip.emotion)] += 1

    def judge(folds) -> tuple[int, float]:
        sums = [sum(rows[s] for s, f in folds.items() if f == n) + 0 * wholes for n in range(3)]
        missing = sum(int((part == 0).sum()) for part in sums)
        uneven = sum((((part / wholes) - 1 / 3) ** 2).sum() for part in sums)
        sizes = np.array([part.sum() for part in sums]) / wholes.sum()
        return missing, uneven + len(emotions) * ((sizes - 1 / 3) ** 2).sum()

    reached = judge(fold_of)
    assert reached[1] == pytest.approx(_unevenness(splits, corpus))
    others = [fold_of | {s: n} for s in fold_of for n in range(3)]
    others += [
        fold_of | {a: fold_of[b], b: fold_of[a]} for a, b in itertools.combinations(fold_of, 2)
    ]
    for other in others:
        if len(set(other.values())) == 3:
            missing, uneven = judge(other)
            assert (missing, uneven + 1e-9) >= reached


@given(corpora(), st.integers(0, 3))
@settings(max_examples=40)
def test_kept_apart_sentences_stay_apart(corpus, seed):
    try:
        split = hold_out(corpus, "emotion", seed, sentence_disjoint=True)
    except InputError:
        return
    heard = {(c.corpus, c.sentence) for p in (split.train, split.validation) for c in p.clips}
    assert not heard & {(clip.corpus, clip.sentence) for clip in split.test.clips}
    kept = sum(map(len, split.partitions().values()))
    assert kept + len(split.left_out) == len(corpus)


def test_fractions_are_near_60_20_20():
    split = hold_out(_corpus(40), "emotion", seed=0)
    shares = np.array([len(part) for part in split.partitions().values()]) / 240
    assert shares.tolist() == [0.6, 0.2, 0.2]


def test_a_class_of_few_speakers_reaches_every_part():
    """Three of 20 speakers have the rare class: one must go to each part."""
    rare = tuple(
        replace(CLIP, path=f"rare-{s}.wav", speaker=f"s{s:02}", emotion="surprise")
        for s in (4, 9, 17)
    )
    corpus = Corpus(_corpus(20).clips + rare)
    for seed in range(3):
        split = hold_out(corpus, "emotion", seed)
        assert all("surprise" in part.classes("emotion") for part in split.partitions().values())
        folds = k_fold(corpus, "emotion", seed)
        assert sum("surprise" in split.test.classes("emotion") for split in folds) == 3


@pytest.mark.parametrize("folds", [4, 5, 8])
def test_a_class_of_two_speakers_is_trained_on_in_every_fold(folds):
    pair = tuple(
        replace(CLIP, path=f"rare-{s}.wav", speaker=f"s{s:02}", emotion="surprise") for s in (3, 8)
    )
    for seed in range(3):
        splits = k_fold(Corpus(_corpus(10).clips + pair), "emotion", seed, folds=folds)
        assert all("surprise" in split.train.classes("emotion") for split in splits)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_same_seed_same_parts_other_seed_other_parts(synthetic_corpus, protocol):
    def draw(seed):
        splits = make_splits(protocol, synthetic_corpus, "emotion", seed)
        return [split.summary() for split in splits]

    assert draw(0) == draw(0)
    assert any(draw(0) != draw(seed) for seed in (1, 2, 3))


def test_each_speaker_and_each_corpus_is_left_out_once(synthetic_corpus):
    splits = list(leave_one_speaker_out(synthetic_corpus, "emotion", 0))
    assert sorted(s for split in splits for s in split.test.speakers()) == sorted(
        synthetic_corpus.speakers()
    )
    splits = list(leave_one_corpus_out(synthetic_corpus, "emotion", 0))
    assert [split.detail for split in splits] == [
        f"without {name}" for name in ("crema-d", "ravdess", "savee", "tess")
    ]
    for split in splits:
        assert len({clip.corpus for clip in split.test.clips}) == 1
        rest = len(split.train) + len(split.validation)
        assert 0.1 < len(split.validation) / rest < 0.3


def test_left_out_speakers_may_have_sentences_of_their_own():
    clips = [replace(clip, sentence=clip.path[-5]) for clip in _corpus(6).clips]
    splits = list(leave_one_speaker_out(Corpus(tuple(clips)), "emotion", 0, sentence_disjoint=True))
    assert len(splits) == 6
    for split in splits:
        heard = {clip.sentence for part in (split.train, split.validation) for clip in part.clips}
        assert {clip.sentence for clip in split.test.clips}.isdisjoint(heard)
        assert len(split.speakers.test) == 1


def test_all_four_corpora_are_split_evenly(official_names, tmp_path):
    """The complete official sets by their names: every fold has a fifth of every class."""
    clips = [
        replace(READERS[corpus].parse(tmp_path / name), path=name, root=corpus)
        for corpus, names in official_names.items()
        for name in names
    ]
    corpus = Corpus(tuple(clips))
    whole = corpus.counts("gender_emotion")
    for split in k_fold(corpus, "gender_emotion", 0):
        counts = split.test.counts("gender_emotion")
        shares = {label: counts[label] / number for label, number in whole.items()}
        # Two women have 81 % of female surprise and 38 % of female anger: they cannot be halved.
        forced = shares.pop("female_surprise")
        assert 0.03 < forced < 0.45
        assert all(0.1 < share < 0.35 for label, share in shares.items() if "female" in label)
        assert all(0.18 < share < 0.22 for label, share in shares.items() if "female" not in label)


def test_the_random_split_is_even_and_leaks():
    split = random_split(_corpus(10, each=10), "emotion", 0)
    assert split.leaky
    assert [len(part) for part in split.partitions().values()] == [120, 40, 40]
    assert split.test.counts("emotion") == {"angry": 20, "sad": 20}
    assert split.summary()["speakers_in_several_parts"]


def test_lengths_that_differ_are_refused():
    with pytest.raises(InputError, match=r"5 or more speakers.*4 speakers \(s00, s01, s02, s03\)"):
        hold_out(_corpus(4), "emotion", 0)
    lone = tuple(replace(CLIP, path=f"f{n}", speaker=f"s0{n}", emotion="fear") for n in range(2))
    corpus = Corpus(tuple(c for c in _corpus(5).clips if c.speaker in ("s00", "s01", "s02")) + lone)
    with pytest.raises(InputError, match=r"5 or more speakers.* 3 speakers"):
        hold_out(corpus, "emotion", 0)
    with pytest.raises(InputError, match=r"`folds` must be at most 6, .*Received: 7\."):
        k_fold(_corpus(6), "emotion", 0, folds=7)
    with pytest.raises(InputError, match=r"3 or more speakers.* 7 folds.* 2 speakers"):
        k_fold(_corpus(2), "emotion", 0, folds=7)
    with pytest.raises(InputError, match="folds=2"):
        k_fold(_corpus(6), "emotion", 0, folds=2)
    with pytest.raises(InputError, match=r"2 corpora.*: c\."):
        next(leave_one_corpus_out(_corpus(6), "emotion", 0))
    with pytest.raises(InputError, match="protocol='loso'"):
        make_splits("loso", _corpus(6), "emotion", 0)
    with pytest.raises(InputError, match="folds"):
        random_split(_corpus(2, each=1), "emotion", 0)


def test_a_class_that_cannot_be_trained_on_is_named():
    """One speaker has all of a class: in one fold or the other nobody is left to train on."""
    lone = tuple(replace(CLIP, path=f"f{n}", speaker="s00", emotion="fear") for n in range(9))
    with pytest.raises(InputError, match=r"few speakers: fear \(1\)"):
        k_fold(Corpus((*_corpus(8).clips, *lone)), "emotion", 0)


def test_a_class_that_sentences_took_from_training_is_named():
    """Fear is said in the rarer sentence alone, which is the one that is kept for testing."""
    clips = [
        replace(CLIP, path=f"{s}-{e}-{n}", speaker=f"s{s:02}", emotion=e, sentence=str(int(n > 0)))
        for s, e, n in itertools.product(range(10), ("sad", "angry"), range(6))
    ]
    clips += [
        replace(CLIP, path=f"f{s}", speaker=f"s{s:02}", emotion="fear", sentence="0")
        for s in range(10)
    ]
    corpus = Corpus(tuple(clips))
    assert "fear" in hold_out(corpus, "emotion", 0).train.classes("emotion")
    with pytest.raises(InputError, match=r"with few speakers or sentences: fear \(10\)"):
        hold_out(corpus, "emotion", 0, sentence_disjoint=True)
