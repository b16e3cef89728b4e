from pathlib import PurePath

import pytest

from serkit.datasets.cremad import ACTORS, FEMALE_ACTORS, parse
from serkit.errors import InputError


def test_a_name_is_read_in_full():
    clip = parse(PurePath("AudioWAV/1002_IEO_HAP_HI.wav"))
    assert (clip.speaker, clip.gender, clip.emotion) == ("crema-d-1002", "female", "happy")
    assert (clip.intensity, clip.sentence) == ("high", "IEO")


def test_the_one_name_with_a_single_x_is_known():
    assert parse(PurePath("1040_ITH_SAD_X.wav")).emotion == "sad"


def test_48_men_and_43_women():
    assert len(ACTORS) == 91
    assert len(FEMALE_ACTORS) == 43
    assert set(ACTORS) >= FEMALE_ACTORS


@pytest.mark.parametrize(
    "name", ["1092_IEO_HAP_HI.wav", "1001_IEO_SUR_XX.wav", "1001_IEO_SAD_ZZ.wav"]
)
def test_codes_out_of_range_are_refused(name):
    with pytest.raises(InputError, match="CREMA-D"):
        parse(PurePath(name))


def test_other_names_are_not_cremad():
    assert parse(PurePath("DC_a01.wav")) is None
