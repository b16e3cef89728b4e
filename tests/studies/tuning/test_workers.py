import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from serkit.errors import InputError
from serkit.studies.tuning.workers import (
    ALONE,
    CHIEF,
    ID,
    IP,
    PORT,
    WORKER,
    Crew,
    Member,
    SearchError,
)

TOY = Path(__file__).with_name("toy.py")


@pytest.fixture(autouse=True)
def no_role(monkeypatch):
    """No variables of KerasTuner's."""
    for name in (IP, PORT, ID):
        monkeypatch.delenv(name, raising=False)


def _set_role(monkeypatch, name, ip="127.0.0.1", port="1"):
    for variable, value in {ID: name, IP: ip, PORT: port}.items():
        monkeypatch.setenv(variable, value)


def test_the_environment_gives_the_role(monkeypatch):
    assert Member.of_environment().role == ALONE
    for name, role in {"chief": CHIEF, "worker-1": WORKER}.items():
        _set_role(monkeypatch, name, port="7")
        member = Member.of_environment()
        assert (member.role, member.address) == (role, ("127.0.0.1", 7))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [({ID: ""}, f"{IP}.*{PORT}.*{ID}.* ''"), ({PORT: "http"}, f"{PORT}.*'http'")],
)
def test_an_incomplete_environment_is_refused(monkeypatch, changes, problem):
    _set_role(monkeypatch, "chief")
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=problem):
        Member.of_environment()


def test_a_chief_that_does_not_answer_is_an_error(monkeypatch, toy, tmp_path):
    with socket.socket() as taken:
        # Bound, and not listening.
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        _set_role(monkeypatch, "worker-1", port=str(port))
        monkeypatch.setenv("SERKIT_TUNE_WAIT", "0.3")
        with pytest.raises(SearchError, match=rf"127\.0\.0\.1:{port} .*{ID}=chief"):
            toy.make(tmp_path, toy.ToyObjective(tmp_path), trials=2).run()


def _until(condition) -> None:
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("the condition was not met in five minutes")


def _trials(out: Path) -> pd.DataFrame:
    return pd.read_csv(out / "trials.csv", dtype={"trial": str})


_DRIVER = """
import sys
from pathlib import Path
from serkit.studies.tuning.workers import Crew
Crew([sys.executable, *sys.argv[2:]], int(sys.argv[1]), Path(sys.argv[3]) / "logs").run()
"""


@contextlib.contextmanager
def _driver(out: Path, workers: int, seconds: float, trials: int) -> Iterator[subprocess.Popen]:
    command = [sys.executable, "-u", "-c", _DRIVER, str(workers)]
    command += [str(TOY), str(out), str(seconds), str(trials)]
    with open(out / "said.txt", "w") as said:
        driver = subprocess.Popen(command, stdout=said)
        try:
            yield driver
        finally:
            driver.kill()
            driver.wait()


def _processes(out: Path, name: str = "") -> list[int]:
    lines = (out / "said.txt").read_text().splitlines()
    return [int(line.split()[-1]) for line in lines if f"{name} is process" in line]


@pytest.mark.slow
def test_killed_processes_lose_at_most_a_trial(toy, tmp_path):
    trials, objective = 6, toy.ToyObjective(tmp_path)
    with _driver(tmp_path, 2, 1.0, trials) as driver:
        _until(lambda: len(objective.log("began")) >= 2)
        os.kill(_processes(tmp_path, "worker-1")[-1], signal.SIGKILL)
        _until(lambda: len(objective.log("ended")) >= 2)
        os.kill(_processes(tmp_path, "chief")[-1], signal.SIGKILL)
        _until(lambda: len(_processes(tmp_path, "chief")) == 2)
        _until(lambda: len(objective.log("ended")) >= 3)
        # The chief and the workers end with the driver.
        driver.kill()
        driver.wait()
        members = _processes(tmp_path)
        assert len(members) == 5
        _until(lambda: not any(_is_running(process) for process in members))
    done = set(objective.log("ended"))
    with _driver(tmp_path, 1, 0.0, trials) as driver:
        assert driver.wait(600) == 0
    table = pd.read_csv(tmp_path / "trials.csv", dtype={"trial": str}).iloc[1:]
    assert len(table) == trials
    assert (table["score"].notna() == (table["hp rate"] <= 8)).all()
    # Each trial ended once. Those that were running when a process was killed began twice.
    began, ended = objective.log("began"), objective.log("ended")
    assert done < set(ended)
    assert len(ended) == len(set(ended)) == table["score"].notna().sum() + 1
    assert set(began) == set(ended)
    assert len(ended) <= len(began) <= len(ended) + 3


def _is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_process_that_fails_ends_the_search(tmp_path):
    said = []
    code = "import os, sys, time; os.environ['KERASTUNER_TUNER_ID'] == 'chief' and time.sleep(60)"
    crew = Crew(
        [sys.executable, "-c", f"{code}; sys.exit('no such thing')"], 1, tmp_path, said.append
    )
    with pytest.raises(SearchError, match=r"worker-1 .*no such thing \(.*worker-1\.log\)"):
        crew.run()
    assert not any(_is_running(int(line.split()[-1])) for line in said)


def test_a_process_that_is_killed_too_often_ends_the_search(tmp_path):
    said = []
    code = "import os, time; os.environ['KERASTUNER_TUNER_ID'] == 'chief' and time.sleep(60)"
    crew = Crew(
        [sys.executable, "-c", f"{code}; os.kill(os.getpid(), 9)"], 1, tmp_path, said.append
    )
    with pytest.raises(SearchError, match=r"worker-1 .*no output"):
        crew.run()
    assert sum("is restarted" in line for line in said) == 5


def test_a_crew_without_workers_is_refused(tmp_path):
    with pytest.raises(InputError, match="workers=0"):
        Crew([sys.executable], 0, tmp_path)
