"""CREMA-D: ``1001_DFA_ANG_XX.wav``, 91 actors, 16 kHz, no surprise.

Crowd-sourced Emotional Multimodal Actors Dataset. Source: Cao et al. (2014), IEEE Transactions on
Affective Computing 5(4); the actors' genders are those of its VideoDemographics.csv. The official
set lacks 20 of the 7,462 names that its rule gives.
"""

import re
from pathlib import PurePath

from serkit.audio.containers import SUFFIX_PATTERN
from serkit.datasets.corpus import Clip
from serkit.errors import InputError

NAME = "crema-d"
CLIPS = 7_442
"""Recordings in the complete official set."""
SAMPLE_RATE = 16_000
"""Sample rate of the original recordings in Hz."""
EMOTIONS = {
    "ANG": "angry",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happy",
    "NEU": "neutral",
    "SAD": "sad",
}
INTENSITIES = {"LO": "low", "MD": "medium", "HI": "high", "XX": "", "X": ""}
SENTENCES = (
    *("IEO", "TIE", "IOM", "IWW", "TAI", "MTI"),
    *("IWL", "ITH", "DFA", "ITS", "TSI", "WSI"),
)
ACTORS = range(1001, 1092)
FEMALE_ACTORS = frozenset(
    (
        *(1002, 1003, 1004, 1006, 1007, 1008, 1009, 1010, 1012, 1013, 1018),
        *(1020, 1021, 1024, 1025, 1028, 1029, 1030, 1037, 1043, 1046, 1047),
        *(1049, 1052, 1053, 1054, 1055, 1056, 1058, 1060, 1061, 1063, 1072),
        *(1073, 1074, 1075, 1076, 1078, 1079, 1082, 1084, 1089, 1091),
    )
)
# One file has a single X for its intensity: 1040_ITH_SAD_X.wav.
_FILE_NAME = re.compile(
    r"(\d{4})_([A-Z]{3})_([A-Z]{3})_([A-Z]{1,2})" + SUFFIX_PATTERN, re.IGNORECASE | re.ASCII
)


def parse(path: PurePath) -> Clip | None:
    """Parse a clip's labels from its file name; return None if the name is not CREMA-D's.

    Raises:
        InputError: if the name has CREMA-D's form, but its actor, sentence, emotion or intensity
            is not one of CREMA-D's.
    """
    match = _FILE_NAME.fullmatch(path.name)
    if match is None:
        return None
    actor, sentence, emotion, intensity = (part.upper() for part in match.groups())
    if int(actor) not in ACTORS:
        raise InputError(
            f"CREMA-D name with actor {actor}, who is not one of {ACTORS[0]} to {ACTORS[-1]}"
        )
    codes = {"sentence": SENTENCES, "emotion": EMOTIONS, "intensity": INTENSITIES}
    for (what, valid), code in zip(codes.items(), (sentence, emotion, intensity), strict=True):
        if code not in valid:
            raise InputError(
                f"CREMA-D name with {what} {code}, which is not one of {', '.join(valid)}"
            )
    return Clip(
        path=path.name,  # The audit sets the path relative to the root.
        corpus=NAME,
        speaker=f"{NAME}-{actor}",
        gender="female" if int(actor) in FEMALE_ACTORS else "male",
        emotion=EMOTIONS[emotion],
        original_label=EMOTIONS[emotion],
        intensity=INTENSITIES[intensity],
        sentence=sentence,
    )
