"""SAVEE: ``DC/a01.wav`` or ``DC_a01.wav``, four men, 44.1 kHz.

Source: Haq & Jackson (2010), in Machine Audition, IGI Global, chapter 17.
"""

import re
from pathlib import PurePath

from serkit.audio.containers import SUFFIX_PATTERN
from serkit.datasets.corpus import Clip
from serkit.errors import InputError

NAME = "savee"
CLIPS = 480
"""Number of recordings in the complete official set."""
SAMPLE_RATE = 44_100
"""Sample rate of the original recordings in Hz."""
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
    r"(?:(DC|JE|JK|KL)_)?(sa|su|a|d|f|h|n)(\d\d)" + SUFFIX_PATTERN, re.IGNORECASE | re.ASCII
)


def parse(path: PurePath) -> Clip | None:
    """Parse a clip's labels from its file name and folder; return None if they are not SAVEE's.

    Raises:
        InputError: if a SAVEE name has a sentence number that its emotion does not have.
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
    # Sentences 1 to 3 are common to all emotions. The other sentences are numbered per emotion.
    # Neutral repeats the two specific sentences of every emotion. Their numbers in the neutral
    # recordings are not known here.
    return f"common-{number}" if int(number) <= _COMMON else f"{emotion}{number}"
