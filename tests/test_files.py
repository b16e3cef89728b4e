import os

import pytest

from serkit.files import file_digest, read_json, remove_partials, replacing, write_json, write_text


def test_an_error_while_writing_leaves_the_old_content(tmp_path):
    path = tmp_path / "a" / "file.txt"
    write_text(path, "old")
    with pytest.raises(AttributeError), replacing(path) as partial:
        partial.write_text("half").what_int_does_not_have()
    assert path.read_text() == "old"
    assert [item.name for item in path.parent.iterdir()] == ["file.txt"]


def test_nothing_is_there_until_all_is(tmp_path):
    path = tmp_path / "file.txt"
    with replacing(path) as partial:
        partial.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"


def test_a_folder_that_exists_is_not_overwritten(tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    (path / "kept").touch()
    with pytest.raises(FileExistsError), replacing(path) as partial:
        partial.mkdir()
    assert (path / "kept").exists()


def test_leftovers_of_a_killed_process_do_not_disturb_and_can_be_removed(tmp_path):
    (tmp_path / "sub" / ".partial-1-folder").mkdir(parents=True)
    (tmp_path / "sub" / ".partial-1-folder" / "half").touch()
    (tmp_path / f".partial-{os.getpid()}-file").write_text("half")
    write_text(tmp_path / "file", "whole")
    remove_partials(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "sub"]
    assert (tmp_path / "file").read_text() == "whole"


def test_json_round_trip_and_no_nan(tmp_path):
    value = {"b": [1, 2.5, None], "a": "ä"}
    write_json(tmp_path / "x.json", value)
    assert read_json(tmp_path / "x.json") == value
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "x.json", {"x": float("nan")})
    assert read_json(tmp_path / "x.json") == value


def test_a_digest_is_that_of_the_bytes(tmp_path):
    """SHA-256 of "abc", from FIPS 180-2."""
    (tmp_path / "x").write_bytes(b"abc")
    assert file_digest(tmp_path / "x").startswith("ba7816bf8f01cfea414140de5dae2223b00361a39617")
