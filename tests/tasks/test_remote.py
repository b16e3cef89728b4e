import pytest

from serkit.tasks.ray import name_of, needs_of, run_remotely
from serkit.tasks.share import Share

GRAPH = {"a": [[]], "b": [["a"]], "bad": [[], 0.0, "diverges"]}


@pytest.fixture
def shop(toy, tmp_path):
    return toy.task_factory(tmp_path / "driver", GRAPH)


def test_names_are_paths_below_all_results(toy, shop):
    _, (_, b), _ = toy.graph(shop.out, shop.cache, GRAPH)
    assert (name_of(b, shop), needs_of(b, shop)) == ("b", ["a"])


def test_where_folders_are_seen_work_is_done_in_them(toy, shop):
    assert run_remotely("kind", shop, "a", [], "") is None
    assert run_remotely("kind", shop, "b", ["a"], "") is None
    assert run_remotely("kind", shop, "bad", [], "") == "a loss is no number"
    assert toy.results(shop.out) == {"a": 1, "b": 3}


def test_where_they_are_not_what_is_needed_is_fetched(toy, shop, tmp_path, monkeypatch):
    """Each node has a disk of its own."""
    pytest.importorskip("fsspec")
    address = f"file://{tmp_path}/share"
    share = Share(address)
    share.put(shop.out / "manifest.csv", "out/manifest.csv")
    for node, name, needs in (("1", "a", []), ("2", "b", ["a"]), ("2", "bad", [])):
        (tmp_path / node).mkdir(exist_ok=True)
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / node))
        why = run_remotely("kind", shop, name, needs, address)
        assert why == ("a loss is no number" if name == "bad" else None)
    assert not shop.cache.exists()
    for name in GRAPH:
        share.get(f"cache/{name}", shop.cache / name)
    assert toy.results(shop.out) == {"a": 1, "b": 3}
    # What is put there anew is fetched anew.
    (shop.cache / "a" / "result.json").write_text('{"sum": 100}')
    share.put(shop.cache / "a", "cache/a")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "2"))
    (again,) = tmp_path.glob("2/serkit-*/cache/b/result.json")
    again.unlink()
    run_remotely("kind", shop, "b", ["a"], address)
    assert again.read_text().split() == ["{", '"sum":', "102", "}"]
