"""RAVDESS speech: ``03-01-EE-II-SS-RR-AA.wav``, 24 actors, 48 kHz.

Source: Livingstone & Russo (2018), PLoS ONE 13(5): e0196391.
"""

import re
from pathlib import PurePath

from serkit.corpora.corpus import Clip
from serkit.errors import InputError

NAME = "ravdess"
EMOTIONS = {
    "01": ("neutral", "neutral"),
    "02": ("neutral", "calm"),
    "03": ("happy", "happy"),
    "04": ("sad", "sad"),
    "05": ("angry", "angry"),
    "06": ("fear", "fearful"),
    "07": ("disgust", "disgust"),
    "08": ("surprise", "surprised"),
}
_INTENSITIES = {"01": "normal", "02": "strong"}
_GRAMMAR = re.compile(r"(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)\.wav", re.IGNORECASE)


def parse(path: PurePath) -> Clip | None:
    """Read a clip's labels off its name; None if the name is not RAVDESS's.

    Raises:
        InputError: for a RAVDESS name that is not audio-only speech, or a code out of range.
    """
    match = _GRAMMAR.fullmatch(path.name)
    if match is None:
        return None
    modality, channel, emotion, intensity, sentence, repetition, actor = match.groups()
    if (modality, channel) != ("03", "01"):
        raise InputError("RAVDESS, but not audio-only speech (03-01-…)")
    if emotion not in EMOTIONS or intensity not in _INTENSITIES or not 1 <= int(actor) <= 24:
        raise InputError("RAVDESS name with an emotion, intensity or actor code out of range")
    label, original = EMOTIONS[emotion]
    return Clip(
        path=path.name,
        corpus=NAME,
        speaker=f"{NAME}-{actor}",
        gender="male" if int(actor) % 2 else "female",
        emotion=label,
        original_label=original,
        intensity=_INTENSITIES[intensity],
        sentence=sentence,
        repetition=int(repetition),
    )
