import contextlib
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from serkit.errors import InputError
from serkit.tasks.graph import SchedulerError, TaskGraph
from serkit.tasks.processes import ProcessEngine

GRAPH = {"a": [[]], "b": [["a"]], "bad": [[], 0.0, "diverges"], "worse": [["bad"]]}


def _run(toy, engine, out, graph, say=print):
    plan = TaskGraph(toy.graph(out, out / "cache", graph))
    engine.run(plan, toy.task_factory(out, graph), say, 0)


def _runs(out: Path, name: str = "*") -> list[list[str]]:
    """Process and number of threads of each run of a task."""
    files = (out / "cache").glob(f"{name}/runs.txt")
    return [line.split() for file in files for line in file.read_text().splitlines()]


def _until(condition) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("the condition was not met in a minute")


def test_tasks_of_one_thread_run_in_one_other_process(toy, tmp_path):
    said = []
    with ProcessEngine(1, tmp_path / "logs", threads=3) as engine:
        _run(toy, engine, tmp_path, GRAPH, said.append)
        again = GRAPH | {"full": [[], 0.0, "No space left on device"]}
        with pytest.raises(OSError, match="No space left"):
            _run(toy, engine, tmp_path, again)
    assert toy.results(tmp_path) == {"a": 1, "b": 3}
    assert any("bad failed: a loss is no number" in line for line in said)
    ((process, threads),) = {tuple(run) for run in _runs(tmp_path)}
    assert int(process) != os.getpid()
    assert threads == "3"
    assert (tmp_path / "logs" / "worker-1.log").exists()


def test_two_threads_have_two_processes(toy, tmp_path):
    graphs = [{"p": [[], 1.0]}, {"q": [[], 1.0]}]
    with ProcessEngine(2, tmp_path / "logs") as engine, ThreadPoolExecutor(2) as pool:
        running = [pool.submit(_run, toy, engine, tmp_path, graph) for graph in graphs]
        for one in running:
            one.result()
    assert len({process for process, _ in _runs(tmp_path)}) == 2


def test_a_killed_process_is_restarted(toy, tmp_path):
    graph = {"a": [[], 2.0], "b": [["a"]]}
    with ProcessEngine(1, tmp_path / "logs") as engine, ThreadPoolExecutor(1) as pool:
        running = pool.submit(_run, toy, engine, tmp_path, graph)
        _until(lambda: _runs(tmp_path))
        os.kill(int(_runs(tmp_path)[0][0]), signal.SIGKILL)
        with pytest.warns(UserWarning, match="the process of a was killed"):
            running.result()
    assert toy.results(tmp_path) == {"a": 1, "b": 3}
    assert (len(_runs(tmp_path, "a")), len(_runs(tmp_path, "b"))) == (2, 1)


@pytest.mark.filterwarnings("ignore:the process of a was killed")
def test_a_process_that_is_killed_too_often_is_an_error(toy, tmp_path, monkeypatch):
    monkeypatch.setattr("serkit.tasks.processes._MAX_RESTARTS", 1)
    killed = pytest.raises(SchedulerError, match=r"process of a was killed 2 times.*logs")
    with ProcessEngine(1, tmp_path / "logs") as engine, killed:
        _run(toy, engine, tmp_path, {"a": [[], 0.0, "is killed"]})
    assert len(_runs(tmp_path)) == 2


_DRIVER = """
import sys
from pathlib import Path
sys.path.append(sys.argv[1])
import test_processes, toy_of_tasks
from serkit.tasks.processes import ProcessEngine
out = Path(sys.argv[2])
with ProcessEngine(1, out / "logs") as engine:
    test_processes._run(toy_of_tasks, engine, out, {"a": [[], 60.0]})
"""


def test_processes_end_with_a_killed_driver(toy, tmp_path):
    here = str(Path(__file__).parent)
    driver = subprocess.Popen([sys.executable, "-c", _DRIVER, here, str(tmp_path)])
    try:
        _until(lambda: _runs(tmp_path))
    finally:
        driver.kill()
        driver.wait()
    ((process, _),) = _runs(tmp_path)
    _until(lambda: not _is_running(int(process)))


def test_ctrl_c_ends_processes_at_once_and_restarts_none(toy, tmp_path):
    graphs = [{name: [[], 60.0]} for name in ("p", "q")]
    pool = ThreadPoolExecutor(2)
    with contextlib.suppress(KeyboardInterrupt), ProcessEngine(2, tmp_path / "logs") as engine:
        running = [pool.submit(_run, toy, engine, tmp_path, graph) for graph in graphs]
        _until(lambda: len(_runs(tmp_path)) == 2)
        processes = [int(process) for process, _ in _runs(tmp_path)]
        # A terminal sends the signal to these processes, too.
        for process in processes:
            os.kill(process, signal.SIGINT)
        time.sleep(0.5)
        assert all(map(_is_running, processes))
        raise KeyboardInterrupt
    for future in running:
        with pytest.raises(SchedulerError, match="was interrupted"):
            future.result(timeout=30)
    pool.shutdown()
    _until(lambda: not any(map(_is_running, processes)))
    assert sorted(int(process) for process, _ in _runs(tmp_path)) == sorted(processes)


def _is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_an_engine_without_workers_is_refused(tmp_path):
    with pytest.raises(InputError, match="workers=0"):
        ProcessEngine(0, tmp_path)
