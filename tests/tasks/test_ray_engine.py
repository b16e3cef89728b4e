import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from serkit.errors import InputError
from serkit.tasks.graph import LocalEngine, SchedulerError, TaskGraph
from serkit.tasks.ray import RayEngine, RaySettings

ray = pytest.importorskip("ray")
cluster_utils = pytest.importorskip("ray.cluster_utils")

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
_MEMORY = 80_000_000


@pytest.fixture(scope="module")
def cluster(toy):
    """Two nodes with a CPU each, and a head node without one, on this machine."""
    ray.cloudpickle.register_pickle_by_value(toy)
    quiet = {"object_store_memory": _MEMORY, "include_dashboard": False}
    made = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **quiet})
    for _ in range(2):
        made.add_node(num_cpus=1, object_store_memory=_MEMORY)
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.fixture
def engine(cluster):
    with RayEngine(RaySettings(cluster.address, threads=1)) as made:
        yield made


def _plan(toy, out, graph=GRAPH):
    return TaskGraph(toy.graph(out, out / "cache", graph))


@pytest.mark.slow
def test_results_are_those_of_the_local_engine(toy, engine, tmp_path):
    said = []
    plan = _plan(toy, tmp_path / "ray")
    engine.run(plan, toy.task_factory(tmp_path / "ray", GRAPH), said.append, 0)
    LocalEngine().run(_plan(toy, tmp_path / "local"), None, print, 0)
    assert toy.results(tmp_path / "ray") == toy.results(tmp_path / "local")
    assert any("bad failed: a loss is no number" in line for line in said)
    assert any("8 of 8 done" not in line and "of 8 done" in line for line in said)
    # In other processes, with the given number of threads.
    runs = [file.read_text().split() for file in (tmp_path / "ray" / "cache").glob("*/runs.txt")]
    assert all(int(process) != os.getpid() and threads == "1" for process, threads in runs)
    engine.run(plan, toy.task_factory(tmp_path / "ray", GRAPH), said.append, 0)


@pytest.mark.slow
def test_an_error_of_a_task_is_raised_and_results_are_kept(toy, engine, tmp_path):
    broken = GRAPH | {"d": [["b", "c"], 0.0, "No space left on device"]}
    task_factory = toy.task_factory(tmp_path, broken)
    with pytest.raises(OSError, match="No space left"):
        engine.run(_plan(toy, tmp_path, broken), task_factory, print, 0)
    engine.run(_plan(toy, tmp_path), toy.task_factory(tmp_path, GRAPH), print, 0)
    assert toy.results(tmp_path)["e"] == 19


@pytest.mark.slow
def test_results_through_a_share(toy, cluster, tmp_path, monkeypatch):
    share = f"file://{tmp_path}/share"
    with RayEngine(RaySettings(cluster.address, share=share)) as engine:
        engine.run(_plan(toy, tmp_path / "a"), toy.task_factory(tmp_path / "a", GRAPH), print, 0)
        found = toy.results(tmp_path / "a")
        # Another driver takes the results from the share.
        second = _plan(toy, tmp_path / "b")
        engine.run(second, toy.task_factory(tmp_path / "b", GRAPH), print, 0)
    assert found == toy.results(tmp_path / "b") == {"a": 1, "b": 3, "c": 4, "d": 11, "e": 19}
    both = [(tmp_path / one / "cache" / "a" / "runs.txt").read_text() for one in "ab"]
    assert both[0] == both[1]
    # No task ran in the driver's folder.
    assert "cache/a/result.json" in _files(tmp_path / "share")


def _files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@pytest.mark.slow
def test_tasks_of_a_lost_node_run_on_another_node(toy, cluster, engine, tmp_path):
    graph = {f"p{number}": [[], 5.0] for number in range(6)}
    node = cluster.add_node(num_cpus=1, object_store_memory=_MEMORY)
    begun = tmp_path / "cache"

    def lose() -> None:
        # Two at a time: one of them there, however long its process takes to start.
        while len(list(begun.glob("*/runs.txt"))) - len(toy.results(tmp_path)) < 2:
            time.sleep(0.05)
        cluster.remove_node(node, allow_graceful=False)

    losing = threading.Thread(target=lose)
    losing.start()
    engine.run(_plan(toy, tmp_path, graph), toy.task_factory(tmp_path, graph), print, 0)
    losing.join()
    assert toy.results(tmp_path) == {f"p{number}": number + 1 for number in range(6)}
    runs = [len(file.read_text().splitlines()) for file in begun.glob("*/runs.txt")]
    assert sorted(runs) == [1, 1, 1, 1, 1, 2]


@pytest.mark.slow
def test_after_a_killed_driver_another_one_resumes(toy, cluster, engine, tmp_path):
    graph = {f"p{number}": [[], 1.5] for number in range(6)}
    script = f"""
import importlib.util, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("toy_of_tasks", {toy.__file__!r})
toy = importlib.util.module_from_spec(spec); sys.modules[spec.name] = toy
spec.loader.exec_module(toy)
import ray
from serkit.tasks.graph import TaskGraph
from serkit.tasks.ray import RayEngine, RaySettings
ray.cloudpickle.register_pickle_by_value(toy)
out, graph = Path({str(tmp_path)!r}), {graph!r}
with RayEngine(RaySettings({cluster.address!r})) as engine:
    plan = TaskGraph(toy.graph(out, out / "cache", graph))
    engine.run(plan, toy.task_factory(out, graph), print, 0)
"""
    driver = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.DEVNULL)
    for _ in range(600):
        if toy.results(tmp_path):
            break
        time.sleep(0.1)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    done = toy.results(tmp_path)
    assert 0 < len(done) < 6
    engine.run(_plan(toy, tmp_path, graph), toy.task_factory(tmp_path, graph), print, 0)
    assert len(toy.results(tmp_path)) == 6
    for name in done:
        assert len((tmp_path / "cache" / name / "runs.txt").read_text().splitlines()) == 1


def test_an_address_that_does_not_answer_is_an_error():
    with pytest.raises(SchedulerError, match=r"`address`.*ray start --head.* 127\.0\.0\.1:1"):
        RayEngine(RaySettings("127.0.0.1:1", patience=0.5))


@pytest.mark.parametrize("address", ["somewhere", "host:port", ":1"])
def test_an_invalid_address_is_refused(address):
    with pytest.raises(InputError, match=rf"`address`.* '{address}'"):
        RayEngine(RaySettings(address))


def test_without_ray_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'serkit\[ray\]'"):
        RayEngine(RaySettings())


@pytest.mark.parametrize("wrong", [{"cpus": -1}, {"retries": -1}, {"threads": -2}])
def test_values_out_of_range_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        RaySettings(**wrong)
