import json
from dataclasses import replace

from serkit.datasets.checks import summarise
from serkit.datasets.corpus import Clip, Corpus
from serkit.datasets.findings import Finding

CLIP = Clip(
    "x.wav", "ravdess", "ravdess-01", "male", "sad", "sad",
    sample_rate=48_000, channels=1, duration=1.5,
)  # fmt: skip


def test_counts_are_of_clips_and_files():
    clips = [
        CLIP,
        replace(CLIP, path="y", speaker="ravdess-02", gender="female", channels=2),
        replace(CLIP, path="z", corpus="mine", speaker="mine-unknown", gender="", duration=3600.0),
    ]
    rejected = [Finding("r", "a", "silent", ""), Finding("r", "b/", "duplicate", "", 7)]
    noticed = [Finding("r", "y", "stereo", "")]
    found = summarise(Corpus(tuple(clips)), rejected, noticed)
    assert (found["clips"], found["speakers"], found["hours"]) == (3, 3, 1.001)
    assert found["rejected"] == {"silent": 1, "duplicate": 7}
    assert found["noticed"] == {"stereo": 1}
    assert found["categories"] == {"female_sad": 1, "male_sad": 1, "sad": 1}
    assert found["corpora"]["ravdess"] == {
        "clips": 2,
        "official": 1440,
        "speakers": 2,
        "seconds": 3.0,
        "sample_rates": {"48000": 2},
        "channels": {"1": 1, "2": 1},
    }
    assert found["corpora"]["mine"]["official"] is None
    json.dumps(found, allow_nan=False)


def test_unknown_speakers_and_genders_are_warned_of():
    clip = replace(CLIP, corpus="mine", speaker="mine-unknown", gender="")
    warnings = summarise(Corpus((clip, clip)), [], [])["warnings"]
    assert warnings[0].startswith("the speaker is not known in 2 clips of mine")
    assert warnings[1].startswith("the gender of the speaker is not known in 2 clips of mine")
    warnings = summarise(Corpus((clip,)), [], [])["warnings"]
    assert all(" in 1 clip of mine: " in warning for warning in warnings[:2])


def test_resampled_corpora_are_warned_of():
    clips = tuple(replace(CLIP, path=str(n), sample_rate=16_000) for n in range(3))
    (warning,) = summarise(Corpus(clips), [], [])["warnings"]
    assert warning == "16000 Hz in 3 of 3 clips of ravdess; the original recordings have 48000 Hz"
    assert summarise(Corpus((CLIP,)), [], [])["warnings"] == []


def test_people_of_one_name_in_two_corpora_are_warned_of():
    clips = [
        replace(CLIP, path=corpus, corpus=corpus, speaker=f"{corpus}-{who}", sample_rate=48_000)
        for corpus, who in (("a", "anna"), ("b", "anna"), ("c", "ben"), ("savee", "anna"))
    ]
    warnings = summarise(Corpus(tuple(clips)), [], [])["warnings"]
    (found,) = (warning for warning in warnings if "different people" in warning)
    assert found.startswith("a and b both have anna for speakers")


def test_nothing_at_all_can_be_summed_up():
    found = summarise(Corpus(()), [Finding("r", "a", "silent", "")], [])
    assert (found["clips"], found["rejected"], found["warnings"]) == (0, {"silent": 1}, [])
