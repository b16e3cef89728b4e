from pathlib import PurePath

import pytest

from serkit.datasets.ravdess import parse
from serkit.errors import InputError


def test_a_name_is_read_in_full():
    clip = parse(PurePath("x/Actor_14/03-01-06-02-01-02-14.wav"))
    assert (clip.speaker, clip.gender, clip.emotion) == ("ravdess-14", "female", "fear")
    assert (clip.original_label, clip.intensity, clip.sentence) == ("fearful", "strong", "01")
    assert clip.repetition == 2
    assert clip.gender_emotion == "female_fear"


def test_calm_counts_as_neutral_and_keeps_its_name():
    clip = parse(PurePath("03-01-02-01-01-01-01.wav"))
    assert (clip.emotion, clip.original_label, clip.gender) == ("neutral", "calm", "male")


@pytest.mark.parametrize(
    "name",
    [
        *("03-02-01-01-01-01-01.wav", "01-01-01-01-01-01-01.wav", "03-01-09-01-01-01-01.wav"),
        *("03-01-01-03-01-01-01.wav", "03-01-01-01-01-01-25.wav", "03-01-01-01-01-01-00.wav"),
    ],
)
def test_song_video_and_codes_out_of_range_are_refused(name):
    with pytest.raises(InputError, match="RAVDESS"):
        parse(PurePath(name))


@pytest.mark.parametrize("name", ["OAF_back_angry.wav", "03-01-01-01-01-01.wav", "notes.wav"])
def test_other_names_are_not_ravdess(name):
    assert parse(PurePath(name)) is None


@pytest.mark.recordings
def test_real_names_give_the_documented_counts(recordings):
    clips = [parse(path) for path in recordings.rglob("*.wav")]
    per_emotion = {e: sum(c.emotion == e for c in clips) for e in {c.emotion for c in clips}}
    assert per_emotion.pop("neutral") == 240
    assert set(per_emotion.values()) == {160}
