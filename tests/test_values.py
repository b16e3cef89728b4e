from dataclasses import asdict, dataclass, field, replace
from typing import Any

import pytest

from serkit.errors import InputError
from serkit.files import read_json, write_json
from serkit.gans.dcgan import DCGAN_RECIPES, REPORT, DCGANSettings
from serkit.gans.small_data import DiffAugmentSettings
from serkit.gans.wgan_gp import WGANGPSettings
from serkit.serialization import plain, recorded, restored


def test_plain_values_survive_json(tmp_path):
    value = {"a": (1, [2, (3, None)]), "b": {"c": ()}}
    write_json(tmp_path / "x.json", value)
    wanted = {"a": [1, [2, [3, None]]], "b": {"c": []}}
    assert plain(value) == read_json(tmp_path / "x.json") == wanted


@pytest.mark.parametrize(
    "settings",
    [
        WGANGPSettings(),
        DCGAN_RECIPES[REPORT],
        replace(DCGAN_RECIPES[REPORT], augment=DiffAugmentSettings(gain=0.5), stop=None),
    ],
    ids=["plain", "nested", "nothing"],
)
def test_settings_come_back_from_json(tmp_path, settings):
    write_json(tmp_path / "x.json", plain(asdict(settings)))
    assert restored(type(settings), read_json(tmp_path / "x.json")) == settings


def test_values_of_any_type_are_taken():
    assert restored(_Any, {"values": {"a": [1, None]}, "one": 3}) == _Any({"a": (1, None)}, 3)
    with pytest.raises(InputError, match="`values` of _Any"):
        restored(_Any, {"values": 3})


def test_missing_fields_keep_their_defaults():
    assert restored(DCGANSettings, {"batch_size": 5}) == DCGANSettings(batch_size=5)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"rate": 1}, r"has no rate; valid are: width, .*beta_1"),
        ({"batch_size": 1}, "batch_size=1"),
        ({"augment": {"gain": 3}}, "gain=3"),
        ({"batch_size": "many"}, "`batch_size` of DCGANSettings must be int.*'many'"),
        ({"batch_size": True}, "`batch_size`.*True"),
        ({"augment": [1]}, "`augment`.*DiffAugment"),
        ([1], r"from \[1\]"),
    ],
)
def test_unknown_fields_are_refused(values, problem):
    with pytest.raises(InputError, match=problem):
        restored(DCGANSettings, values)


@dataclass(frozen=True)
class _Any:
    values: dict[str, Any]
    one: Any = None


@dataclass(frozen=True)
class _Grown:
    old: tuple[int, ...] = (1,)
    new: int = 2
    made: dict = field(default_factory=dict)


def test_settings_of_later_versions_are_recorded_where_they_are_given():
    assert recorded(_Grown(), ("new", "made")) == {"old": [1]}
    given = _Grown(new=3, made={"a": (1,)})
    assert recorded(given, ("new", "made")) == {"old": [1], "new": 3, "made": {"a": [1]}}
    assert recorded(_Grown(), ()) == {"old": [1], "new": 2, "made": {}}
