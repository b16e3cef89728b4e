from pathlib import PurePath

import pytest

from serkit.corpora.savee import parse


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


@pytest.mark.parametrize("path", ["Actor_01/a01.wav", "DC/x01.wav", "DC/a1.wav", "a01.wav"])
def test_without_a_speaker_or_emotion_it_is_not_savee(path):
    assert parse(PurePath(path)) is None
