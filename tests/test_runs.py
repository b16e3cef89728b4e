import contextlib

import pytest

from serkit.errors import DamagedFileError, InputError, ResumeError
from serkit.files import read_json, write_json
from serkit.studies.run_folder import RunFolder, versions


def test_other_settings_are_refused_by_name(tmp_path):
    with RunFolder(tmp_path, {"seed": 1, "gan": {"steps": 10}}):
        pass
    with pytest.raises(ResumeError, match=r"\(gan\.steps was 10, now 20\)"):
        RunFolder(tmp_path, {"seed": 1, "gan": {"steps": 20}})
    with pytest.raises(ResumeError) as found:
        RunFolder(tmp_path, {"seed": 1, "gan": dict.fromkeys("abcdefg", "x" * 1000)})
    assert "; and 4 more)" in str(found.value)
    assert len(str(found.value)) < 600
    with pytest.raises(ResumeError, match=f"{tmp_path} is the folder of another command's run"):
        RunFolder(tmp_path, dict.fromkeys("abcdefg", 1))
    assert read_json(tmp_path / "settings.json") == {"seed": 1, "gan": {"steps": 10}}


def test_settings_that_may_change_are_neither_written_nor_compared(tmp_path):
    settings = {"seed": 1, "weights": "none", "arms": ["none"]}
    with RunFolder(tmp_path, settings, ("weights", "arms")):
        pass
    assert read_json(tmp_path / "settings.json") == {"seed": 1}
    with RunFolder(tmp_path, settings | {"weights": "imagenet"}, ("weights", "arms")) as run:
        assert not run.is_new
    with pytest.raises(ResumeError, match=r"\(seed was 1, now 2\)"):
        RunFolder(tmp_path, settings | {"seed": 2}, ("weights", "arms"))
    # In an earlier version they were not to be changed.
    write_json(tmp_path / "settings.json", {"seed": 1, "weights": "none"})
    with RunFolder(tmp_path, settings | {"weights": "imagenet"}, ("weights", "arms")):
        pass


@pytest.mark.parametrize("content", ['{"seed": 1', "[1]", "", "null"])
def test_damaged_settings_are_named_with_what_to_do(tmp_path, content):
    (tmp_path / "settings.json").write_text(content)
    for _ in range(2):  # The lock is free again.
        with pytest.raises(DamagedFileError, match=r"settings\.json is damaged: .*another --out"):
            RunFolder(tmp_path, {"seed": 1})


def _failing(folder, error, settings, before=lambda run: None):
    with contextlib.suppress(type(error)), RunFolder(folder, settings) as run:
        before(run)
        raise error


@pytest.mark.parametrize("error", [InputError("no such class"), KeyboardInterrupt(), OSError()])
def test_before_any_work_an_error_does_not_bind_the_folder_to_its_settings(tmp_path, error):
    _failing(tmp_path, error, {"seed": 1})
    assert not (tmp_path / "settings.json").exists()
    with RunFolder(tmp_path, {"seed": 2}) as run:
        assert run.is_new
    with pytest.raises(ResumeError):
        RunFolder(tmp_path, {"seed": 1})


def test_before_any_work_nothing_is_written_that_a_kill_would_leave(tmp_path):
    with RunFolder(tmp_path, {"seed": 1}) as run:
        assert {path.name for path in tmp_path.iterdir()} == {".lock"}
        run.begin_work()
        assert read_json(tmp_path / "settings.json") == {"seed": 1}


def test_a_call_that_fails_before_it_writes_a_file_leaves_no_folder(tmp_path):
    _failing(tmp_path / "run", InputError("no recordings"), {"seed": 1})
    assert not (tmp_path / "run").exists()
    _failing(
        tmp_path / "run",
        InputError("no such class"),
        {"seed": 1},
        lambda run: (run.folder / "manifest.csv").touch(),
    )
    assert (tmp_path / "run" / "manifest.csv").exists()


@pytest.mark.parametrize("error", [InputError("x"), KeyboardInterrupt()])
def test_once_work_has_begun_the_settings_stay(tmp_path, error):
    _failing(tmp_path, error, {"seed": 1}, lambda run: run.begin_work())
    with pytest.raises(ResumeError):
        RunFolder(tmp_path, {"seed": 2})
    _failing(tmp_path, InputError("later"), {"seed": 1})
    assert read_json(tmp_path / "settings.json") == {"seed": 1}


def test_two_runs_cannot_share_a_folder(tmp_path):
    with RunFolder(tmp_path, {}), pytest.raises(ResumeError, match="another process"):
        RunFolder(tmp_path, {})
    with RunFolder(tmp_path, {}) as free_again:
        assert free_again.folder == tmp_path


def test_versions_name_everything_that_affects_results():
    found = versions()
    assert found["tensorflow"].startswith("2.")
    assert {"serkit", "python", "git_commit", "keras", "numpy"} <= set(found)


def test_versions_are_written_and_leftovers_go(tmp_path):
    (tmp_path / ".partial-1-x.npy").touch()
    with RunFolder(tmp_path, {"seed": 1}):
        assert not list(tmp_path.glob(".partial-*"))
    assert (tmp_path / "versions.json").exists()
