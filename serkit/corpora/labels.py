"""The report's label sets (section 5.1, figure 13): 7 emotions, and 14 when split by gender."""

import re

GENDERS = ("female", "male")

EMOTIONS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
"""Neutral and RAVDESS's calm are one class, as in the report; clips keep their original label."""

CATEGORIES = tuple(f"{gender}_{emotion}" for gender in GENDERS for emotion in EMOTIONS)

LABEL_SETS = {"emotion": EMOTIONS, "gender_emotion": CATEGORIES}
"""What a classifier may tell apart, by the name of the clip attribute that holds it."""

_SYNONYMS = {
    "angry": ("anger", "ang"),
    "disgust": ("disgusted", "dis"),
    "fear": ("fearful", "afraid", "anxious", "anxiety", "fea"),
    "happy": ("happiness", "joy", "joyful", "hap"),
    "neutral": ("calm", "neu"),
    "sad": ("sadness",),
    "surprise": ("surprised", "pleasant surprise", "pleasant surprised", "ps", "sur"),
}
_EMOTION_OF = {word: word for word in EMOTIONS} | {
    word: emotion for emotion, words in _SYNONYMS.items() for word in words
}
_GENDER_OF = {
    **dict.fromkeys(("female", "f", "woman", "w"), "female"),
    **dict.fromkeys(("male", "m", "man"), "male"),
}
_NOT_SAID = frozenset({"", "?", "-", "unknown", "unspecified", "n/a", "na", "nan", "none", "null"})


def emotion_of(word: str) -> str | None:
    """The one of :data:`EMOTIONS` that an English word or common abbreviation means, or None.

    Case, hyphens and underscores do not matter: ``Pleasant_Surprise`` is ``surprise``.
    """
    return _EMOTION_OF.get(re.sub(r"[\s_-]+", " ", word).strip().lower())


def gender_of(word: str) -> str:
    """``female`` or ``male`` for the usual words and letters, empty for words that say nothing.

    Any other word in lower case.
    """
    word = word.strip().lower()
    return "" if word in _NOT_SAID else _GENDER_OF.get(word, word)
