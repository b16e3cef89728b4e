import pytest

from serkit.errors import InputError
from serkit.serving.server.settings import model_name, versions_to_serve


@pytest.fixture
def model(tmp_path):
    for name in ("2", "10", "notes", "0", "9" * 25):
        (tmp_path / "m" / name).mkdir(parents=True)
        (tmp_path / "m" / name / "saved_model.pb").touch()
    # Half copied.
    (tmp_path / "m" / "11").mkdir()
    return tmp_path / "m"


def test_the_newest_by_number_or_all(model):
    assert versions_to_serve(model) == {10: model / "10"}
    assert versions_to_serve(model, "all") == {2: model / "2", 10: model / "10"}


def test_one_version_or_a_saved_model_of_any_name(model):
    assert versions_to_serve(model / "2") == {2: model / "2"}
    assert versions_to_serve(model / "notes", "all") == {1: model / "notes"}


def test_the_name_is_that_of_the_folder_of_versions(model, monkeypatch):
    assert model_name(model) == model_name(model / "2") == "m"
    assert model_name(model / "notes") == "notes"
    monkeypatch.chdir(model)
    from pathlib import Path

    assert model_name(Path(".")) == "m"


def test_what_is_no_model(model, tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        versions_to_serve(tmp_path / "gone")
    with pytest.raises(InputError, match=r"has no saved_model\.pb"):
        versions_to_serve(model / "11")
    with pytest.raises(InputError, match="versions='2' is not known"):
        versions_to_serve(model, "2")
