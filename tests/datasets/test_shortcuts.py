from dataclasses import replace

import pytest

from serkit.datasets.checks import corpus_warnings, measure_association
from serkit.datasets.corpus import Clip, Corpus
from serkit.datasets.custom import Naming
from serkit.datasets.roots import READERS, open_roots

CLIP = Clip("x.wav", "c", "c-1", "male", "sad", "sad")


def _corpus(*rows: tuple[str, str, str, int]) -> Corpus:
    """Clips as (speaker, emotion, corpus, number)."""
    return Corpus(
        tuple(
            replace(CLIP, path=f"{s}{e}{c}{n}", speaker=f"{c}-{s}", emotion=e, corpus=c)
            for s, e, c, number in rows
            for n in range(number)
        )
    )


@pytest.fixture(scope="module")
def four_corpora(official_names, tmp_path_factory) -> Corpus:
    """The complete official sets, by their names alone."""
    folder = tmp_path_factory.mktemp("names")
    clips = [
        replace(READERS[corpus].parse(folder / name), path=name, root=corpus)
        for corpus, names in official_names.items()
        for name in names
    ]
    return Corpus(tuple(clips))


def test_cramers_v_by_hand():
    """Two emotions, two corpora: 30 10 / 10 30 has chi-squared 20 on 80 clips, so V = 0.5."""
    corpus = _corpus(
        *(("1", "sad", "a", 30), ("1", "sad", "b", 10)),
        *(("1", "happy", "a", 10), ("1", "happy", "b", 30)),
    )
    found = measure_association(corpus, lambda clip: clip.corpus)
    assert found.cramers_v == 0.5
    assert found.counts == {"happy": {"a": 10, "b": 30}, "sad": {"a": 30, "b": 10}}
    assert found.by_chance == pytest.approx((1 / 79) ** 0.5, abs=1e-4)


def test_attributes_that_determine_the_emotion_have_v_of_1_others_0():
    telling = _corpus(("1", "sad", "a", 5), ("2", "happy", "a", 7))
    assert measure_association(telling, lambda clip: clip.speaker).cramers_v == 1.0
    assert measure_association(telling, lambda clip: clip.corpus).cramers_v == 0.0
    even = _corpus(*((s, e, "a", 5) for s in "12" for e in ("sad", "happy")))
    assert measure_association(even, lambda clip: clip.speaker).cramers_v == 0.0


def test_81_per_cent_of_female_surprise_is_two_women(four_corpora):
    warnings = corpus_warnings(four_corpora)
    assert (
        "81 % of female_surprise (400 of 496 clips) is 2 of 57 speakers: tess-OAF, tess-YAF"
        in warnings
    )
    assert any(w.startswith("81 % of female_surprise") and "from tess" in w for w in warnings)
    assert any(
        w.startswith("62 % of male_surprise (96 of 156 clips) is from ravdess") for w in warnings
    )
    assert "male_surprise is of 16 of 64 speakers; the others never show it" in warnings
    assert "crema-d has no surprise: there the corpus tells the emotion" in warnings
    assert "all 2800 clips of tess are female" in warnings
    assert "all 480 clips of savee are male" in warnings
    assert not [w for w in warnings if "angry" in w or "sad" in w]


def test_one_clip_is_no_clips():
    corpus = _corpus(("1", "sad", "a", 1), ("2", "sad", "b", 1), ("3", "sad", "b", 1))
    found = " ".join(corpus_warnings(corpus))
    assert "the only clip of a is male" in found
    assert "1 clips" not in found


def test_one_even_corpus_has_nothing_to_warn_of(four_corpora):
    for name in ("ravdess", "crema-d"):
        assert (
            corpus_warnings(four_corpora.where(lambda clip, name=name: clip.corpus == name)) == []
        )


def test_classes_of_unknown_gender_are_the_emotion():
    corpus = _corpus(*((s, e, "a", 1) for s in "1234567890" for e in ("sad", "happy")))
    corpus = Corpus(tuple(replace(clip, gender="") for clip in corpus.clips))
    assert corpus_warnings(corpus) == []
    many = tuple(replace(corpus.clips[0], path=str(n)) for n in range(20))
    (warning,) = corpus_warnings(Corpus(corpus.clips + many))
    assert warning.startswith("70 % of sad (21 of 30 clips) is 1 of 10 speakers: a-1")


def test_names_alone_are_read_as_the_audit_reads_them(four_corpora, tmp_path):
    (tmp_path / "DC").mkdir()
    (tmp_path / "DC" / "a01.wav").touch()
    (root,) = open_roots([tmp_path], Naming())
    assert root.read("DC/a01.wav").speaker in four_corpora.speakers()
