from dataclasses import replace

from serkit.datasets.corpus import Clip
from serkit.studies.folds import clips_key

CLIP = Clip("x.wav", "c", "s", "male", "sad", "sad", sha256="a")


def test_clips_are_known_by_sound_label_and_speaker_and_not_by_path():
    key = clips_key([CLIP], "emotion")
    assert clips_key([replace(CLIP, path="elsewhere.wav", root="r")], "emotion") == key
    for name, value in {"sha256": "b", "emotion": "happy", "speaker": "t"}.items():
        assert clips_key([replace(CLIP, **{name: value})], "emotion") != key
    assert clips_key([CLIP], "gender_emotion") != key
    other = replace(CLIP, sha256="b")
    assert clips_key([CLIP, other], "emotion") != clips_key([other, CLIP], "emotion")
