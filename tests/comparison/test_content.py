from dataclasses import replace

from serkit.comparison.content import clips_key, content_key
from serkit.corpora.corpus import Clip

CLIP = Clip("x.wav", "c", "s", "male", "sad", "sad", sha256="a")


def test_the_same_values_have_the_same_key_in_any_order():
    assert content_key(a=1, b=[2, None]) == content_key(b=(2, None), a=1)
    assert content_key(a=1) != content_key(a=2)
    assert content_key(a=1) != content_key(b=1)
    assert len(content_key()) == 16


def test_clips_are_known_by_sound_label_and_speaker_and_not_by_path():
    key = clips_key([CLIP], "emotion")
    assert clips_key([replace(CLIP, path="elsewhere.wav", root="r")], "emotion") == key
    for name, value in {"sha256": "b", "emotion": "happy", "speaker": "t"}.items():
        assert clips_key([replace(CLIP, **{name: value})], "emotion") != key
    assert clips_key([CLIP], "gender_emotion") != key
    other = replace(CLIP, sha256="b")
    assert clips_key([CLIP, other], "emotion") != clips_key([other, CLIP], "emotion")
