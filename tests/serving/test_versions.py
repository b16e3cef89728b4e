import shutil
from pathlib import Path

import pytest

from serkit.errors import DamagedFileError, InputError
from serkit.export.versions import (
    DETAILS_FILE,
    EXPORTED_FILE,
    find_version,
    next_version,
    read_details,
    version_for,
    version_number,
    versions,
)
from serkit.files import write_json
from serkit.serving.server.settings import versions_to_serve


def test_versions_are_integers_and_count_up(tmp_path):
    assert versions(tmp_path / "gone") == {}
    assert next_version(tmp_path / "gone") == tmp_path / "gone" / "1"
    for name in ("2", "10", "notes", "1.5", ".partial-3"):
        (tmp_path / name).mkdir()
    assert versions(tmp_path) == {2: tmp_path / "2", 10: tmp_path / "10"}
    assert next_version(tmp_path) == tmp_path / "11"


def test_a_version_that_is_there_is_refused(tmp_path):
    (tmp_path / "m" / "3").mkdir(parents=True)
    assert version_for(tmp_path / "m") == tmp_path / "m" / "4"
    assert version_for(tmp_path / "m" / "7") == tmp_path / "m" / "7"
    with pytest.raises(InputError, match=r"m/3 exists and is not overwritten.*m/4"):
        version_for(tmp_path / "m" / "3")


def test_what_to_give_instead_is_said(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "comparison.json").touch()
    (tmp_path / "train").mkdir()
    write_json(tmp_path / "train" / EXPORTED_FILE, {"version": "saved_models/mine/1"})
    (tmp_path / "models" / "emotions" / "3").mkdir(parents=True)
    (tmp_path / "models" / "empty").mkdir()
    for folder, words in (
        ("run", f"serkit export {tmp_path / 'run'} --out saved_models/run "),
        ("train", r"it is the run of a model: give saved_models/mine/1$"),
        ("models", "give one of the models in it: emotions"),
        ("models/empty", r"serkit.json$"),
    ):
        for find in (
            (find_version,) if folder == "models/empty" else (find_version, versions_to_serve)
        ):
            with pytest.raises(InputError, match=words):
                find(tmp_path / folder)


def test_the_newest_version_is_found_and_what_is_no_model_refused(exported, tmp_path):
    folder: Path = exported[1]
    assert find_version(folder) == find_version(folder / "1") == folder / "1"
    with pytest.raises(InputError, match="does not exist"):
        find_version(tmp_path / "gone")
    (tmp_path / "1").mkdir()
    with pytest.raises(InputError, match="not a model exported by serkit"):
        find_version(tmp_path)


@pytest.mark.parametrize(
    ("name", "number"),
    [("3", 3), ("007", 7), ("9" * 18, 10**18 - 1), ("0", 0), ("9" * 19, 0), ("٣", 0), ("x", 0)],
)
def test_a_version_is_the_same_for_the_exporter_and_for_the_server(
    exported, tmp_path, name, number
):
    """Whatever ``versions`` finds, the server serves, and ``find_version`` finds; and no other."""
    shutil.copytree(exported[1] / "1", tmp_path / "m" / name)
    folder = tmp_path / "m" / name
    assert version_number(folder) == number
    if number:
        assert versions(tmp_path / "m") == versions_to_serve(tmp_path / "m") == {number: folder}
        assert find_version(tmp_path / "m") == folder
        return
    assert versions(tmp_path / "m") == {}
    for find in (find_version, versions_to_serve):
        with pytest.raises(InputError, match="saved_model"):
            find(tmp_path / "m")
    if name.isdecimal():
        with pytest.raises(InputError, match="`out` must end in"):
            version_for(tmp_path / "m" / name)


@pytest.mark.parametrize("content", ["[]", "null", "3", "{", '{"classes": 3}'])
def test_damaged_details_are_named_with_what_to_do(tmp_path, content):
    file = tmp_path / DETAILS_FILE
    file.parent.mkdir(parents=True)
    file.write_text(content)
    with pytest.raises(
        DamagedFileError, match=r"serkit\.json is damaged: .*; export the model again"
    ):
        read_details(tmp_path, classes=list)
