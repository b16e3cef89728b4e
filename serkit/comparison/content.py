"""What a result depends on, as a name: the same content, the same name, whatever it is called."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from serkit.corpora.corpus import Clip

# To be counted up when the same content gives other results than before.
_RECIPE = 1


def content_key(**parts: Any) -> str:
    """A name of 16 hexadecimal digits for JSON values by name."""
    text = json.dumps({"recipe": _RECIPE, **parts}, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def clips_key(clips: Iterable[Clip], label_set: str) -> str:
    """A name for clips in their order, by their sound, label and speaker; not by their paths."""
    digest = hashlib.sha256()
    for clip in clips:
        digest.update(f"{clip.sha256}/{clip.label(label_set)}/{clip.speaker}\n".encode())
    return digest.hexdigest()[:16]
