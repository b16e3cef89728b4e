"""Parts of a corpus whose pictures carry their clip's number."""

from dataclasses import replace

import numpy as np
import pytest

from serkit.corpora.corpus import Clip, Corpus
from serkit.corpora.protocols import hold_out
from serkit.demo.parts import Parts

CLIP = Clip("x.wav", "c", "s", "male", "sad", "sad")


@pytest.fixture
def parts() -> Parts:
    """Twelve speakers, two emotions, pictures that carry the clip's number."""
    clips = [
        replace(CLIP, path=f"{n}.wav", speaker=f"s{n // 2:02}", emotion=("sad", "angry")[n % 2])
        for n in range(24)
    ]
    corpus = Corpus(tuple(clips))
    pictures = np.arange(24, dtype="float32").reshape(24, 1, 1, 1)
    return Parts(corpus, hold_out(corpus, "emotion", 0), pictures, "emotion")
