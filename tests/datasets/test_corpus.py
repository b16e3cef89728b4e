from dataclasses import replace

import pandas as pd
import pytest

from serkit.datasets.corpus import Clip, Corpus
from serkit.errors import DamagedFileError, InputError

CLIP = Clip("a/03.wav", "ravdess", "ravdess-03", "male", "sad", "sad", root="r", sentence="01")


def test_manifest_round_trip_keeps_every_attribute(synthetic_corpus, tmp_path):
    synthetic_corpus.write(tmp_path / "manifest.csv")
    read = Corpus.read(tmp_path / "manifest.csv")
    assert read.clips == synthetic_corpus.clips
    assert [read.file(clip).exists() for clip in read.clips] == [True] * len(read)


def test_codes_that_look_like_numbers_stay_text(tmp_path):
    Corpus((CLIP,), {"r": tmp_path}).write(tmp_path / "manifest.csv")
    assert Corpus.read(tmp_path / "manifest.csv").clips[0].sentence == "01"


def test_manifest_does_not_change_when_recordings_move(tmp_path):
    for folder in ("here", "there"):
        Corpus((CLIP,), {"r": tmp_path / folder}).write(tmp_path / folder / "manifest.csv")
    here, there = (tmp_path / folder / "manifest.csv" for folder in ("here", "there"))
    assert here.read_bytes() == there.read_bytes()
    assert Corpus.read(here).file(CLIP) != Corpus.read(there).file(CLIP)


def test_read_names_what_is_wrong(tmp_path):
    path = tmp_path / "manifest.csv"
    with pytest.raises(InputError, match="does not exist"):
        Corpus.read(path)
    path.write_text("path,label\nx.wav,sad\n")
    with pytest.raises(InputError, match=r"lacks the columns: .*speaker"):
        Corpus.read(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is not a CSV"):
        Corpus.read(path)
    Corpus((CLIP,), {"r": tmp_path}).write(path)
    whole = path.read_text()
    frame = pd.read_csv(path, dtype=str)
    for column, cell in (("repetition", "9" * 5000), ("sample_rate", "x"), ("duration", "long")):
        frame.assign(**{column: cell}).to_csv(path, index=False)
        with pytest.raises(InputError, match=f"column {column} of manifest .* numbers"):
            Corpus.read(path)
    path.write_text(whole)
    (tmp_path / "roots.json").write_text('{"r": 3}')
    with pytest.raises(DamagedFileError, match=r"roots\.json is damaged"):
        Corpus.read(path)
    (tmp_path / "roots.json").unlink()
    with pytest.raises(InputError, match="roots"):
        Corpus.read(path)
    assert Corpus.read(path, roots={"r": tmp_path}).file(CLIP) == tmp_path / "a/03.wav"


def test_counts_and_classes_keep_the_label_sets_order():
    clips = [replace(CLIP, emotion=emotion) for emotion in ("sad", "angry", "sad")]
    corpus = Corpus(tuple(clips))
    assert list(corpus.counts("gender_emotion").items()) == [("male_angry", 1), ("male_sad", 2)]
    assert corpus.classes("emotion") == ("angry", "sad")
    with pytest.raises(InputError, match="label_set='valence'"):
        corpus.labels("valence")


def test_where_keeps_order_and_roots(synthetic_corpus):
    women = synthetic_corpus.where(lambda clip: clip.gender == "female")
    assert 0 < len(women) < len(synthetic_corpus)
    assert {clip.gender for clip in women.clips} == {"female"}
    assert women.roots == synthetic_corpus.roots


def test_a_clip_without_a_gender_says_what_to_pass():
    clip = Clip("x.wav", "mine", "mine-ann", "", "sad", "sad")
    assert clip.label("emotion") == "sad"
    with pytest.raises(
        InputError, match=r"mine-ann is not known; .*label_set='emotion'.*`genders`"
    ):
        clip.label("gender_emotion")
    with pytest.raises(InputError, match=r"no label in emotion$"):
        replace(clip, emotion="").label("emotion")
