import pytest

from serkit.tasks.graph import LocalEngine, TaskGraph

# A diamond, and a task that fails with all tasks that need it.
GRAPH = {
    "a": [[]],
    "b": [["a"]],
    "c": [["a"]],
    "d": [["b", "c"]],
    "bad": [[], 0.0, "diverges"],
    "worse": [["bad"]],
    "worst": [["worse", "a"]],
    "e": [["d"]],
}


def test_each_task_runs_once_in_order(toy, tmp_path):
    said = []
    plan = TaskGraph(toy.graph(tmp_path, tmp_path / "cache", GRAPH))
    task_factory = toy.task_factory(tmp_path, GRAPH)
    LocalEngine().run(plan, task_factory, said.append, 0)
    assert toy.results(tmp_path) == {"a": 1, "b": 3, "c": 4, "d": 11, "e": 19}
    starts = [line.split(":")[0].strip() for line in said]
    assert starts == ["a", "b", "c", "d", "bad", "bad failed", "e"]
    assert "0 of 8 done" in said[0]
    assert "a loss is no number" in said[5]
    again = []
    LocalEngine().run(plan, task_factory, again.append, 0)
    assert again == []


def test_after_an_error_a_second_call_resumes(toy, tmp_path):
    broken = GRAPH | {"d": [["b", "c"], 0.0, "No space left on device"]}
    plan = TaskGraph(toy.graph(tmp_path, tmp_path / "cache", broken))
    with pytest.raises(OSError, match="No space left"):
        LocalEngine().run(plan, None, print, 0)
    assert set(toy.results(tmp_path)) == {"a", "b", "c"}
    LocalEngine().run(TaskGraph(toy.graph(tmp_path, tmp_path / "cache", GRAPH)), None, print, 0)
    assert toy.results(tmp_path)["e"] == 19
    assert len((tmp_path / "cache" / "a" / "runs.txt").read_text().splitlines()) == 1


def test_after_a_full_disk_a_second_call_resumes(toy, small_disk):
    """The results do not fit on a file system of a megabyte."""
    out, more = small_disk
    given = {f"p{number}": [[], 0.0, "", 300_000] for number in range(6)}
    plan = TaskGraph(toy.graph(out, out / "cache", given))
    with pytest.raises(OSError, match="No space left on device"):
        LocalEngine().run(plan, None, print, 0)
    done = set(toy.results(out))
    assert 0 < len(done) < 6
    more()
    LocalEngine().run(plan, None, print, 0)
    assert len(toy.results(out)) == 6
    for name in done:
        assert len((out / "cache" / name / "runs.txt").read_text().splitlines()) == 1
