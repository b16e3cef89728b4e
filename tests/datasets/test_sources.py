import pytest

from serkit.datasets.download import SOURCES, find_source
from serkit.errors import InputError


def test_sources_are_found_by_name():
    assert find_source("crema-d").recordings == 7_442
    assert sum(find_source(name).recordings for name in SOURCES) == 11_682
    for source in SOURCES.values():
        assert all((source.title, source.licence, source.citation, source.size))
        assert source.address.startswith("https://")


def test_savee_and_unknown_names_are_explained():
    with pytest.raises(InputError, match=r"ask.*http://kahlan\.eps\.surrey\.ac\.uk/savee/Download"):
        find_source("savee")
    with pytest.raises(InputError, match=r"crema-d, ravdess, tess.*'emodb'"):
        find_source("emodb")
