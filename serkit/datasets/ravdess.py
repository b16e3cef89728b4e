"""RAVDESS speech: ``03-01-EE-II-SS-RR-AA.wav``, 24 actors, 48 kHz.

03-01 is audio-only speech. The other numbers are codes of the emotion (EE), its intensity (II), the
sentence (SS), the repetition (RR) and the actor (AA).

Source: Livingstone & Russo (2018), PLoS ONE 13(5): e0196391.
"""

import re
from collections.abc import Collection
from pathlib import PurePath

from serkit.audio.containers import SUFFIX_PATTERN
from serkit.datasets.corpus import Clip
from serkit.errors import InputError

NAME = "ravdess"
CLIPS = 1_440
"""Number of recordings in the complete official set."""
SAMPLE_RATE = 48_000
"""Sample rate of the original recordings in Hz."""
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
"""By code: serkit's class, and RAVDESS's own word for the emotion."""
ACTORS = range(1, 25)
_INTENSITIES = {"01": "normal", "02": "strong"}
_FILE_NAME = re.compile("-".join([r"(\d\d)"] * 7) + SUFFIX_PATTERN, re.IGNORECASE | re.ASCII)


def parse(path: PurePath) -> Clip | None:
    """Parse a clip's labels from its file name; return None if it is not a RAVDESS name.

    Raises:
        InputError: if a RAVDESS name is not of audio-only speech, or has an invalid code
            or combination of codes.
    """
    match = _FILE_NAME.fullmatch(path.name)
    if match is None:
        return None
    modality, channel, emotion, intensity, sentence, repetition, actor = match.groups()
    if (modality, channel) != ("03", "01"):
        raise InputError(f"RAVDESS, but {modality}-{channel} is not audio-only speech (03-01)")
    _require("emotion", emotion, EMOTIONS)
    _require("intensity", intensity, _INTENSITIES)
    _require("sentence", sentence, ("01", "02"))
    _require("repetition", repetition, ("01", "02"))
    _require("actor", actor, [f"{number:02}" for number in ACTORS])
    if (emotion, intensity) == ("01", "02"):
        raise InputError("RAVDESS has no neutral of strong intensity (03-01-01-02-…)")
    label, original = EMOTIONS[emotion]
    return Clip(
        path=path.name,  # The audit sets the path relative to the root.
        corpus=NAME,
        speaker=f"{NAME}-{actor}",
        gender="male" if int(actor) % 2 else "female",
        emotion=label,
        original_label=original,
        intensity=_INTENSITIES[intensity],
        sentence=sentence,
        repetition=int(repetition),
    )


def _require(what: str, code: str, valid: Collection[str]) -> None:
    if code not in valid:
        first, *_, last = valid
        raise InputError(f"RAVDESS name with {what} {code}, which is not one of {first} to {last}")
