import errno
import os
import pickle
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from serkit.errors import DamagedFileError
from serkit.files import (
    file_digest,
    read_json,
    read_json_object,
    remove_partials,
    replacing,
    write_json,
    write_text,
)


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


@pytest.fixture
def disk_calls(monkeypatch) -> list[tuple]:
    """Calls that order what reaches the disk: ``("fsync", name)`` and ``("replace", name)``."""
    calls, names = [], {}
    do_open, do_fsync, do_replace = os.open, os.fsync, os.replace

    def open_(path, *arguments, **keywords):
        descriptor = do_open(path, *arguments, **keywords)
        names[descriptor] = Path(path)
        return descriptor

    def fsync(descriptor):
        name = names[descriptor].name
        calls.append(("fsync", name if name.startswith(".partial-") else names[descriptor]))
        do_fsync(descriptor)

    def replace(source, target):
        calls.append(("replace", target))
        do_replace(source, target)

    monkeypatch.setattr(os, "open", open_)
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    return calls


def test_a_file_is_synced_before_it_is_renamed_and_its_folder_after(tmp_path, disk_calls):
    write_text(tmp_path / "x", "whole")
    (before, partial), renamed, after = disk_calls
    assert before == "fsync"
    assert partial.startswith(".partial-")
    assert (renamed, after) == (("replace", tmp_path / "x"), ("fsync", tmp_path))


def test_all_of_a_folder_is_synced_before_it_is_renamed(tmp_path, disk_calls):
    with replacing(tmp_path / "model") as partial:
        (partial / "sub").mkdir(parents=True)
        (partial / "sub" / "a").touch()
    *before, renamed, after = disk_calls
    assert {call[0] for call in before} == {"fsync"}
    assert before[-1][1] == partial.name
    assert {partial / "sub", partial / "sub" / "a"} < {call[1] for call in before}
    assert (renamed, after) == (("replace", tmp_path / "model"), ("fsync", tmp_path))


def test_a_folder_that_cannot_be_synced_is_no_error(tmp_path, monkeypatch):
    def fsync(_):
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", fsync)
    write_text(tmp_path / "x", "whole")
    assert (tmp_path / "x").read_text() == "whole"


@pytest.mark.parametrize(
    ("error", "free"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 0),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), 10**9),
        (RuntimeError("/x/variables.tempstate1; No space left on device [Op:SaveV2]"), 10**9),
        (OSError("100000 requested and 8176 written"), 4096),
    ],
)
def test_a_full_disk_is_the_system_error_with_the_file(error, free, tmp_path, monkeypatch):
    """However NumPy, h5py and TensorFlow report it."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    with pytest.raises(OSError, match="No space left") as found, replacing(tmp_path / "x"):
        raise error
    assert (found.value.errno, found.value.filename) == (errno.ENOSPC, str(tmp_path / "x"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [OSError("other"), OSError(errno.EIO, "x"), KeyError("other")])
def test_other_errors_are_not_taken_for_a_full_disk(error, tmp_path):
    with pytest.raises(type(error)) as found, replacing(tmp_path / "x"):
        raise error
    assert found.value is error


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b'{"version": "a', "not JSON"),
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'["version"]', "JSON object"),
        (b"null", "JSON object"),
        (b"{}", "lacks 'version'"),
        (b'{"version": 3}', "'version' must be of type str, not 3"),
        (b'{"version": "a", "score": "b"}', "'score' must be of type float"),
    ],
)
def test_a_damaged_json_file_is_named_with_what_to_do(content, problem, tmp_path):
    file = tmp_path / "exported.json"
    file.write_bytes(content)
    with pytest.raises(DamagedFileError, match=problem) as found:
        read_json_object(file, version=str, score=float)
    assert str(found.value).startswith(f"{file} is damaged: ")
    assert "; delete it, then" in str(found.value)
    assert "\n" not in str(found.value)


def test_a_whole_number_is_a_float(tmp_path):
    write_json(tmp_path / "x.json", {"score": 1})
    assert read_json_object(tmp_path / "x.json", score=float) == {"score": 1}


def test_the_error_of_a_damaged_file_can_be_sent_to_another_process():
    error = pickle.loads(pickle.dumps(DamagedFileError("x.json", "why", "what to do")))
    assert str(error) == "x.json is damaged: why; what to do"
