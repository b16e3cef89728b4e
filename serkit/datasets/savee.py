"""SAVEE: ``DC/a01.wav`` or ``DC_a01.wav``, four men, 44.1 kHz.

Surrey Audio-Visual Expressed Emotion. Source: Haq & Jackson (2010), in Machine Audition, IGI
Global, chapter 17.
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
_COMMON_SENTENCES = 3  # Sentences 01 to 03 are the same for all emotions.
_FILE_NAME = re.compile(
    rf"(?:({'|'.join(SPEAKERS)})_)?({'|'.join(EMOTIONS)})(\d\d)" + SUFFIX_PATTERN,
    re.IGNORECASE | re.ASCII,
)


def parse(path: PurePath) -> Clip | None:
    """Parse a clip's labels from its file name and folder; return None if they are not SAVEE's.

    Raises:
        InputError: if a SAVEE name has a sentence number that its emotion does not have.
    """
    match = _FILE_NAME.fullmatch(path.name)
    if match is None:
        return None
    speaker = (match[1] or path.parent.name).upper()
    if speaker not in SPEAKERS:
        return None
    emotion_code, sentence_number = match[2].lower(), match[3]
    emotion = EMOTIONS[emotion_code]
    sentence_count = 30 if emotion == "neutral" else 15
    if not 1 <= int(sentence_number) <= sentence_count:
        raise InputError(
            f"SAVEE name with sentence {sentence_number}; valid for {emotion} is 01 to "
            f"{sentence_count}"
        )
    return Clip(
        path=path.name,  # The audit sets the path relative to the root.
        corpus=NAME,
        speaker=f"{NAME}-{speaker}",
        gender="male",
        emotion=emotion,
        original_label=emotion,
        sentence=_sentence(emotion_code, sentence_number),
    )


def _sentence(emotion_code: str, number: str) -> str:
    """Return the code of a sentence, such as ``common-01`` or ``sa05``."""
    # Neutral also repeats two sentences of each emotion, under numbers that are not documented.
    # They get other codes here, so partitions without shared sentences may still share them.
    return f"common-{number}" if int(number) <= _COMMON_SENTENCES else f"{emotion_code}{number}"
