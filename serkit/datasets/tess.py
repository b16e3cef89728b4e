"""TESS: ``OAF_back_angry.wav``, two women saying "say the word …", 24,414 Hz.

Source: Pichora-Fuller & Dupuis (2020), doi:10.5683/SP2/E8H2MF.
"""

import re
from pathlib import PurePath

from serkit.audio.containers import SUFFIX_PATTERN
from serkit.datasets.corpus import Clip

NAME = "tess"
CLIPS = 2_800
"""Number of recordings in the complete official set."""
SAMPLE_RATE = 24_414
"""Sample rate of the original recordings in Hz."""
EMOTIONS = {
    "angry": "angry",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happy",
    "neutral": "neutral",
    "ps": "surprise",
    "sad": "sad",
}
# One file of the set is named OA_bite_neutral.wav. Its speaker is OAF.
_FILE_NAME = re.compile(
    r"(OAF|OA|YAF)_([a-z]+)_([a-z]+)" + SUFFIX_PATTERN, re.IGNORECASE | re.ASCII
)


def parse(path: PurePath) -> Clip | None:
    """Parse a clip's labels from its file name; return None if it is not a TESS name."""
    match = _FILE_NAME.fullmatch(path.name)
    if match is None or match[3].lower() not in EMOTIONS:
        return None
    speaker, word, emotion = match[1].upper(), match[2].lower(), match[3].lower()
    return Clip(
        path=path.name,
        corpus=NAME,
        speaker=f"{NAME}-{'YAF' if speaker == 'YAF' else 'OAF'}",
        gender="female",
        emotion=EMOTIONS[emotion],
        original_label="pleasant surprise" if emotion == "ps" else emotion,
        sentence=word,
    )
