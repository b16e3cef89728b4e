import os
import stat

import pytest

from serkit.tasks.graph import SchedulerError
from serkit.tasks.ray import remove_scratch_folder, run_remotely, scratch_folder
from serkit.tasks.share import Share

GRAPH = {"a": [[]], "b": [["a"]], "bad": [[], 0.0, "diverges"]}


@pytest.fixture
def task_factory(toy, tmp_path):
    return toy.task_factory(tmp_path / "driver", GRAPH)


def test_names_are_relative_paths(toy, task_factory):
    _, (_, b), _ = toy.graph(task_factory.out, task_factory.cache, GRAPH)
    assert task_factory.name_of(b.folder) == "b"
    assert task_factory.task_named("b") == b


def test_a_task_in_folders_of_this_machine(toy, task_factory):
    assert run_remotely("kind", task_factory, "a", [], "") is None
    assert run_remotely("kind", task_factory, "b", ["a"], "") is None
    assert run_remotely("kind", task_factory, "bad", [], "") == "a loss is no number"
    assert toy.results(task_factory.out) == {"a": 1, "b": 3}


def test_a_task_fetches_its_inputs_from_a_share(toy, task_factory, tmp_path, monkeypatch):
    """Each node has a disk of its own."""
    pytest.importorskip("fsspec")
    address = f"file://{tmp_path}/share"
    share = Share(address)
    share.put(task_factory.out / "manifest.csv", "out/manifest.csv")
    for node, name, needs in (("1", "a", []), ("2", "b", ["a"]), ("2", "bad", [])):
        (tmp_path / node).mkdir(exist_ok=True)
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / node))
        why = run_remotely("kind", task_factory, name, needs, address)
        assert why == ("a loss is no number" if name == "bad" else None)
    assert not task_factory.cache.exists()
    for name in GRAPH:
        share.get(f"cache/{name}", task_factory.cache / name)
    assert toy.results(task_factory.out) == {"a": 1, "b": 3}
    # A new upload is fetched again.
    (task_factory.cache / "a" / "result.json").write_text('{"sum": 100}')
    share.put(task_factory.cache / "a", "cache/a")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "2"))
    (again,) = tmp_path.glob("2/serkit-*/cache/b/result.json")
    again.unlink()
    run_remotely("kind", task_factory, "b", ["a"], address)
    assert again.read_text().split() == ["{", '"sum":', "102", "}"]


def test_nobody_else_can_use_the_scratch_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    scratch = scratch_folder("memory://x")
    assert stat.S_IMODE(scratch.stat().st_mode) == 0o700
    assert scratch_folder("memory://x") == scratch
    assert scratch_folder("memory://y") != scratch
    (scratch / "file").touch()
    remove_scratch_folder("memory://x")
    assert not scratch.exists()
    remove_scratch_folder("memory://x")


@pytest.mark.skipif(os.name == "nt", reason="no user numbers")
@pytest.mark.parametrize("attack", ["open to all", "a link", "another user"])
def test_a_scratch_folder_of_somebody_else_is_refused(attack, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    scratch = scratch_folder("memory://x")
    if attack == "open to all":
        scratch.chmod(0o777)
    elif attack == "a link":
        scratch.rmdir()
        (tmp_path / "target").mkdir(mode=0o700)
        scratch.symlink_to(tmp_path / "target")
    else:
        monkeypatch.setattr(os, "getuid", lambda: scratch.stat().st_uid + 1)
    with pytest.raises(SchedulerError, match=r"serkit-\w+ must be a folder of the user"):
        scratch_folder("memory://x")
