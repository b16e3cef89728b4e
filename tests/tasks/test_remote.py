import pytest

from serkit.tasks.ray import run_remotely
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
