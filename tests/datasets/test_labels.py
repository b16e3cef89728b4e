import pytest

from serkit.datasets.corpus import CATEGORIES, EMOTIONS, emotion_of, gender_of


def test_the_reports_seven_and_fourteen():
    assert len(EMOTIONS) == 7
    assert len(CATEGORIES) == 14


@pytest.mark.parametrize(
    ("word", "emotion"),
    [
        *(("Anger", "angry"), ("calm", "neutral"), ("HAP", "happy"), ("joy", "happy")),
        *(("Pleasant_Surprise", "surprise"), ("pleasant-surprised", "surprise")),
        *((" sadness ", "sad"), ("boredom", None), ("", None)),
    ],
)
def test_words_for_emotions(word, emotion):
    assert emotion_of(word) == emotion


@pytest.mark.parametrize(
    ("word", "gender"),
    [
        ("F", "female"),
        ("man", "male"),
        ("W", "female"),
        ("Diverse", "diverse"),
        ("", ""),
        ("?", ""),
        ("N/A", ""),
    ],
)
def test_words_for_genders(word, gender):
    assert gender_of(word) == gender
