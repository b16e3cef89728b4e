from dataclasses import replace

import numpy as np
import pytest

from serkit.datasets.corpus import Clip, Corpus
from serkit.errors import InputError
from serkit.studies.corpus_probe import tell_corpora

CLIP = Clip("x.wav", "a", "s", "male", "sad", "sad")


def _corpus(speakers_of: dict[str, int], clips: int = 12) -> Corpus:
    return Corpus(
        tuple(
            replace(CLIP, path=f"{n}.wav", corpus=name, speaker=f"{name}-{s}")
            for name, count in speakers_of.items()
            for s in range(count)
            for n in range(clips)
        )
    )


def test_corpora_that_sound_different_are_told_apart(rng):
    corpus = _corpus({"a": 5, "b": 5})
    levels = np.array([0.3 * (clip.corpus == "b") for clip in corpus.clips])
    pictures = rng.normal(0, 0.3, (len(corpus), 20, 4, 1)) + levels[:, None, None, None]
    found = tell_corpora(corpus, pictures.astype("float32"), 0)
    assert found["uar"] > 0.9
    assert (found["chance"], found["clips"], found["left_out"]) == (0.5, 120, [])


def test_where_only_speakers_differ_it_is_guessing(rng):
    """It must not know a corpus by voices that it was trained on."""
    corpus = _corpus({"a": 20, "b": 20}, clips=8)
    names = sorted(corpus.speakers())
    voices = rng.normal(0, 1, (len(names), 4))
    levels = np.stack([voices[names.index(clip.speaker)] for clip in corpus.clips])
    noise = rng.normal(0, 0.05, (len(corpus), 20, 4, 1))
    pictures = (noise + levels[:, None, :, None]).astype("float32")
    assert 0.2 < tell_corpora(corpus, pictures, 0)["uar"] < 0.8


def test_features_are_taken_as_they_are(rng):
    corpus = _corpus({"a": 5, "b": 5})
    features = rng.normal(0, 1, (len(corpus), 6)).astype("float32")
    assert tell_corpora(corpus, features, 0)["uar"] < 0.7
    features[:, 2] += [6 * (clip.corpus == "b") for clip in corpus.clips]
    assert tell_corpora(corpus, features, 0)["uar"] > 0.9


def test_a_corpus_of_one_speaker_is_left_out(rng):
    corpus = _corpus({"a": 3, "b": 3, "c": 1})
    pictures = rng.normal(0, 1, (len(corpus), 8, 4, 1)).astype("float32")
    found = tell_corpora(corpus, pictures, 0)
    assert (found["left_out"], set(found["recalls"])) == (["c"], {"a", "b"})
    with pytest.raises(InputError, match=r"two speakers or more.*: a\."):
        tell_corpora(_corpus({"a": 3, "c": 1}), pictures, 0)
