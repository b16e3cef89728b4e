"""SAVEE: ``DC/a01.wav`` or ``DC_a01.wav``, four men, 44.1 kHz.

Source: Haq & Jackson (2010), in Machine Audition, IGI Global, chapter 17.
"""

import re
from pathlib import PurePath

from serkit.audio.containers import SUFFIX
from serkit.datasets.corpus import Clip
from serkit.errors import InputError

NAME = "savee"
CLIPS = 480
"""Recordings in the complete official set."""
SAMPLE_RATE = 44_100
"""Of the original recordings, in Hz."""
SPEAKERS = ("DC", "JE", "JK", "KL")
EMOTIONS = {
    "a": "angry",
    "d": "disgust",
    "f": "fear",
    "h": "happy",
    "n": "neutral",
    "sa": "sad",
    "su": "surprise",
}
_COMMON = 3
_GRAMMAR = re.compile(
    r"(?:(DC|JE|JK|KL)_)?(sa|su|a|d|f|h|n)(\d\d)" + SUFFIX, re.IGNORECASE | re.ASCII
)


def parse(path: PurePath) -> Clip | None:
    """Read a clip's labels off its name and folder; None if they are not SAVEE's.

    Raises:
        InputError: for a SAVEE name with a sentence number that it does not have.
    """
    match = _GRAMMAR.fullmatch(path.name)
    if match is None:
        return None
    speaker = (match[1] or path.parent.name).upper()
    if speaker not in SPEAKERS:
        return None
    emotion = EMOTIONS[match[2].lower()]
    sentences = 30 if emotion == "neutral" else 15
    if not 1 <= int(match[3]) <= sentences:
        raise InputError(
            f"SAVEE name with sentence {match[3]}; valid for {emotion} is 01 to {sentences}"
        )
    return Clip(
        path=path.name,
        corpus=NAME,
        speaker=f"{NAME}-{speaker}",
        gender="male",
        emotion=emotion,
        original_label=emotion,
        sentence=_sentence(match[2].lower(), match[3]),
    )


def _sentence(emotion: str, number: str) -> str:
    # The first three are common to all emotions; the others have a number of their own in each.
    # Neutral repeats the two specific ones of every emotion; under which numbers is not known here.
    return f"common-{number}" if int(number) <= _COMMON else f"{emotion}{number}"
