from dataclasses import replace

import pytest

from serkit.datasets.checks import (
    clip_anomalies,
    contradicting_genders,
    require_distinct_speakers,
    unusual_sample_rates,
)
from serkit.datasets.corpus import Clip
from serkit.datasets.probing import Probe
from serkit.errors import InputError

CLIP = Clip("x.wav", "c", "c-1", "male", "sad", "sad", sample_rate=16_000)
PROBE = Probe(16_000, 1, 2.0, 0.5, 0.1, "0", clipped=0, length_unknown=False)


def test_nothing_is_noticed_about_a_plain_clip():
    assert list(clip_anomalies(CLIP, PROBE)) == []


def test_clipping_channels_and_unknown_lengths_are_noticed():
    odd = replace(PROBE, clipped=64, channels=2, length_unknown=True)
    found = list(clip_anomalies(CLIP, odd))
    assert [finding.kind for finding in found] == ["clipped", "stereo", "length"]
    assert found[0].reason.startswith("64 samples (0.10%)")


def test_one_name_for_people_of_two_corpora_is_refused():
    first = replace(CLIP, corpus="a", speaker="a-b-1")
    require_distinct_speakers([first, first, CLIP])
    with pytest.raises(InputError, match="a-b-1"):
        require_distinct_speakers([first, replace(CLIP, corpus="a-b", speaker="a-b-1")])


def test_the_odd_rate_is_the_rare_one_of_its_corpus():
    clips = [replace(CLIP, path=str(n)) for n in range(3)]
    clips += [replace(CLIP, path="odd", sample_rate=96_000)]
    clips += [replace(CLIP, path="other", corpus="d", sample_rate=8_000)]
    (found,) = unusual_sample_rates(clips)
    assert (found.path, found.reason) == ("odd", "96000 Hz, most of c has 16000 Hz")


def _genders(*genders: str) -> list[Clip]:
    return [replace(CLIP, path=str(n), gender=gender) for n, gender in enumerate(genders)]


def test_the_minority_gender_of_a_speaker_is_in_doubt():
    (found,) = contradicting_genders(_genders("female", "male", "female", ""))
    assert (found.path, found.kind) == ("1", "gender")
    assert found.reason == "c-1 is female in 2, male in 1 recordings"


def test_without_a_majority_all_are_in_doubt():
    assert [f.path for f in contradicting_genders(_genders("female", "male", ""))] == ["0", "1"]


def test_an_unknown_speaker_may_be_several_people():
    clips = [replace(clip, speaker="c-unknown") for clip in _genders("female", "male")]
    assert list(contradicting_genders(clips)) == []
