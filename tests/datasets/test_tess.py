from pathlib import PurePath

import pytest

from serkit.datasets.tess import parse


@pytest.mark.parametrize(
    ("name", "speaker", "emotion", "word"),
    [
        ("OAF_back_angry.wav", "tess-OAF", "angry", "back"),
        ("YAF_youth_ps.wav", "tess-YAF", "surprise", "youth"),
        ("OA_bite_neutral.wav", "tess-OAF", "neutral", "bite"),
        ("oaf_Food_fear.WAV", "tess-OAF", "fear", "food"),
    ],
)
def test_names_are_read(name, speaker, emotion, word):
    clip = parse(PurePath("TESS/OAF_Fear", name))
    assert (clip.speaker, clip.emotion, clip.sentence) == (speaker, emotion, word)
    assert clip.gender == "female"


def test_pleasant_surprise_keeps_its_name():
    assert parse(PurePath("OAF_back_ps.wav")).original_label == "pleasant surprise"


@pytest.mark.parametrize("name", ["OAF_back_calm.wav", "MAF_back_sad.wav", "OAF_back.wav"])
def test_other_names_are_not_tess(name):
    assert parse(PurePath(name)) is None
