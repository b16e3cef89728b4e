"""A name for clips: the same sound, label and speaker, the same name, whatever they are called."""

import hashlib
from collections.abc import Iterable

from serkit.corpora.corpus import Clip


def clips_key(clips: Iterable[Clip], label_set: str) -> str:
    """A name for clips in their order, by their sound, label and speaker; not by their paths."""
    digest = hashlib.sha256()
    for clip in clips:
        digest.update(f"{clip.sha256}/{clip.label(label_set)}/{clip.speaker}\n".encode())
    return digest.hexdigest()[:16]
