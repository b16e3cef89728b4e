from dataclasses import asdict, replace

import pytest

from serkit.errors import InputError
from serkit.files import write_json
from serkit.gans.wgan_gp import WGANGPSettings
from serkit.serialization import plain
from serkit.studies.search_spaces import (
    SETTINGS,
    BayesianRecipe,
    CompactRecipe,
    read_tuned,
    tuned_or_default,
)


def _write(folder, kind, settings):
    write_json(folder / "best.json", {"kind": kind, "settings": plain(asdict(settings))})
    return folder / "best.json"


@pytest.mark.parametrize("kind", SETTINGS)
def test_settings_of_every_kind_come_back(tmp_path, kind):
    settings = SETTINGS[kind]()
    file = _write(tmp_path, kind, settings)
    assert read_tuned(file) == read_tuned(tmp_path) == (kind, settings)


def test_changed_values_come_back(tmp_path):
    recipe = replace(
        BayesianRecipe(), delta=0.07, weights=replace(BayesianRecipe().weights, prior=2)
    )
    assert read_tuned(_write(tmp_path, "bayesian", recipe)) == ("bayesian", recipe)


def test_without_a_file_the_given_settings_are_returned(tmp_path):
    settings = WGANGPSettings(penalty=3.0)
    assert tuned_or_default(None, WGANGPSettings()) == WGANGPSettings()
    assert tuned_or_default(_write(tmp_path, "wgan-gp", settings), WGANGPSettings()) == settings
    with pytest.raises(InputError, match=r"classifier.* wgan-gp"):
        tuned_or_default(tmp_path, CompactRecipe())


@pytest.mark.parametrize("content", [{}, [1], {"kind": "x", "settings": {}}])
def test_an_invalid_file_is_refused(tmp_path, content):
    write_json(tmp_path / "best.json", content)
    with pytest.raises(InputError, match=r"best\.json|kind='x'"):
        read_tuned(tmp_path / "best.json")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"best\.json.*no\.json"):
        read_tuned(tmp_path / "no.json")
