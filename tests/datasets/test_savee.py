from pathlib import PurePath

import pytest

from serkit.datasets.savee import parse
from serkit.errors import InputError


@pytest.mark.parametrize(
    ("path", "speaker", "emotion"),
    [
        ("SAVEE/DC/a01.wav", "savee-DC", "angry"),
        ("ALL/KL_su15.wav", "savee-KL", "surprise"),
        ("JE/sa03.wav", "savee-JE", "sad"),
        ("jk/n30.wav", "savee-JK", "neutral"),
    ],
)
def test_both_layouts_are_read(path, speaker, emotion):
    clip = parse(PurePath(path))
    assert (clip.speaker, clip.emotion, clip.gender) == (speaker, emotion, "male")


def test_the_first_three_sentences_are_common_to_all_emotions():
    sentences = [parse(PurePath("DC", f"{name}.wav")).sentence for name in ("a01", "su01", "n03")]
    assert sentences == ["common-01", "common-01", "common-03"]
    assert parse(PurePath("DC/a04.wav")).sentence != parse(PurePath("DC/d04.wav")).sentence


@pytest.mark.parametrize("name", ["a16", "a00", "n31"])
def test_numbers_that_there_are_not(name):
    with pytest.raises(InputError, match="valid for"):
        parse(PurePath("DC", f"{name}.wav"))


@pytest.mark.parametrize("path", ["Actor_01/a01.wav", "DC/x01.wav", "DC/a1.wav", "a01.wav"])
def test_without_a_speaker_or_emotion_it_is_not_savee(path):
    assert parse(PurePath(path)) is None
