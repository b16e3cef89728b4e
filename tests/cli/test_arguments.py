import argparse

import pytest

from serkit.cli.arguments import (
    add_live_option,
    add_recordings,
    naming_of,
    recordings_of,
    root_name,
)
from serkit.datasets.audit import audit
from serkit.datasets.custom import Naming
from serkit.errors import InputError


def _options(*given, nargs="+", **more):
    parser = argparse.ArgumentParser()
    add_recordings(parser, nargs, **more)
    return parser.parse_args([str(each) for each in given])


def test_recordings_are_returned_with_absolute_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "some" / "mine").mkdir(parents=True)
    (tmp_path / "t.csv").touch()
    found = recordings_of(_options("some/mine", "own=some/mine", "t.csv"))
    mine = tmp_path / "some" / "mine"
    assert found == (str(mine), f"own={mine}", str(tmp_path / "t.csv"))
    assert [root_name(root) for root in found] == ["mine", "own", "t.csv"]
    assert recordings_of(_options(nargs="*")) == ()


@pytest.mark.parametrize("given", ["nowhere", "mine=nowhere"])
def test_missing_folders_are_refused(given):
    with pytest.raises(InputError, match=r"^nowhere does not exist"):
        recordings_of(_options(given))


def test_a_manifest_is_named_after_its_folder(synthetic_root, tmp_path):
    audit([synthetic_root]).write(tmp_path / "checked")
    (root,) = recordings_of(_options(tmp_path / "checked" / "manifest.csv"))
    assert root_name(root) == "checked"


def test_naming_rules_of_options(tmp_path):
    given = ("--pattern", "(?P<label>x)", "--genders", "3=male", "--label-names", "W=angry,L=bored")
    wanted = Naming("(?P<label>x)", {"W": "angry", "L": "bored"}, {"3": "male"})
    assert naming_of(_options(tmp_path, *given)) == wanted
    again = _options(tmp_path, "--label-names", "W=angry", "L=bored")
    assert naming_of(again) == Naming(labels={"W": "angry", "L": "bored"})
    assert naming_of(_options(tmp_path)) == Naming()
    with pytest.raises(InputError, match="--genders 'ann' is not of the form A=B"):
        naming_of(_options(tmp_path, "--genders", "ann"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [([], None), (["--live"], []), (["--live", "noise", "speed"], ["noise", "speed"])],
)
def test_the_live_option_is_none_or_names(given, expected):
    parser = argparse.ArgumentParser()
    add_live_option(parser)
    assert parser.parse_args(given).live == expected
